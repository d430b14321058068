-- Notes since when an endpoint takes nothing ($3 false), or that it does (true); whether that is longer than $4 days now.
-- A row is written only when that changes.
with noted as (
  update longshore.webhook_endpoints
  set failing_since = case when not $3::boolean then now() end
  where team_id = $1
    and endpoint_id = $2
    and (failing_since is null) <> $3::boolean
)
select coalesce(not $3::boolean and failing_since < now() - make_interval(days => $4), false) as "overdue!"
from longshore.webhook_endpoints
where team_id = $1
  and endpoint_id = $2
