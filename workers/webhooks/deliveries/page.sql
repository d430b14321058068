-- Deliveries to an endpoint, the newest first, behind $4; those in state $3 where one is given.
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
  and ($3::text is null or d.state = $3)
  and ($4::bigint is null or d.delivery_id < $4)
order by d.delivery_id desc
limit $5
