-- Notes one try of a delivery, and its end where this was the last ($5). One that was given up before and is tried again after
-- all waits anew.
update longshore.webhook_deliveries
set attempts = attempts + 1,
    status = $3,
    problem = left($4, 500),
    tried_at = now(),
    state = coalesce($5, 'waiting'),
    ended_at = case when $5::text is not null then now() end
where team_id = $1
  and delivery_id = $2
