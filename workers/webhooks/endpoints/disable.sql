-- Disables an endpoint that is enabled, and says why.
update longshore.webhook_endpoints
set disabled_at = now(),
    disabled_reason = left($3, 500),
    changed_at = now()
where team_id = $1
  and endpoint_id = $2
  and disabled_at is null
