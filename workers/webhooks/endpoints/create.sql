-- Sets a new endpoint, unless the team has $6 of them; disabled at once where $7 says why.
insert into longshore.webhook_endpoints (team_id, url, description, events, kinds, disabled_at, disabled_reason)
select $1, $2, $3, $4, $5, case when $7::text is not null then now() end, $7
where (select count(*) from longshore.webhook_endpoints where team_id = $1) < $6::bigint
returning endpoint_id
