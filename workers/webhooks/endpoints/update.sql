-- Changes an endpoint in what is said. No kinds at all ({}) are all kinds. Enabling takes its failures back; of one that is
-- disabled already the reason stays.
update longshore.webhook_endpoints
set url = coalesce($3, url),
    description = coalesce($4, description),
    events = coalesce($5, events),
    kinds = case when $6::text[] is null then kinds else nullif($6, '{}') end,
    failing_since = case when $7 then null else failing_since end,
    disabled_at = case when $7 then null when not $7 then coalesce(disabled_at, now()) else disabled_at end,
    disabled_reason = case when $7 then null when not $7 then coalesce(disabled_reason, $8) else disabled_reason end,
    changed_at = now()
where team_id = $1
  and endpoint_id = $2
