-- One delivery to an endpoint.
select d.delivery_id as "id!: crate::ids::DeliveryId",
  d.endpoint_id as "endpoint!: crate::ids::EndpointId",
  d.event_id,
  d.event,
  d.state,
  d.attempts,
  d.status,
  d.problem,
  d.tried_at,
  d.created_at,
  d.ended_at,
  d.job_id as "job!: crate::ids::JobId"
from longshore.webhook_deliveries d
where d.team_id = $1
  and d.endpoint_id = $2
  and d.delivery_id = $3
