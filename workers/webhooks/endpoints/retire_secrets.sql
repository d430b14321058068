-- Lets an endpoint's newest secret sign for so many hours more, and takes away those before it; its number.
with newest as (
  update longshore.webhook_secrets s
  set expires_at = now() + make_interval(hours => $3)
  where s.team_id = $1
    and s.endpoint_id = $2
    and s.number = (select max(n.number) from longshore.webhook_secrets n where n.team_id = $1 and n.endpoint_id = $2)
  returning s.number
), older as (
  delete from longshore.webhook_secrets s
  using newest n
  where s.team_id = $1
    and s.endpoint_id = $2
    and s.number < n.number
)
select number from newest
