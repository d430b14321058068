-- A team's endpoints, or the one of that id, the oldest first. No secret.
select e.endpoint_id as "id!: crate::ids::EndpointId",
  e.url,
  e.description,
  e.events,
  e.kinds,
  e.failing_since,
  e.disabled_at,
  e.disabled_reason,
  (
    select count(*) from longshore.webhook_secrets s
    where s.team_id = e.team_id
      and s.endpoint_id = e.endpoint_id
      and (s.expires_at is null or s.expires_at > now())
  ) as "secrets!",
  (
    select max(s.expires_at) from longshore.webhook_secrets s
    where s.team_id = e.team_id
      and s.endpoint_id = e.endpoint_id
      and s.expires_at > now()
  ) as old_secret_until,
  e.created_at
from longshore.webhook_endpoints e
where e.team_id = $1
  and ($2::bigint is null or e.endpoint_id = $2)
order by e.endpoint_id
