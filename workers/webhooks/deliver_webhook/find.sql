-- A delivery, and the endpoint as it stands now: no address when it is gone.
select d.endpoint_id,
  d.event_id,
  d.event,
  d.data,
  longshore.audit_moment(d.created_at) as "at!",
  d.state,
  e.url as "url?",
  e.disabled_reason as "disabled_reason?"
from longshore.webhook_deliveries d
left join longshore.webhook_endpoints e on e.team_id = d.team_id and e.endpoint_id = d.endpoint_id
where d.team_id = $1
  and d.delivery_id = $2
