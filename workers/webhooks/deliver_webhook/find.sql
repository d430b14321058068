-- A delivery, and the endpoint as it stands now: no address when it is gone. `own`: the job $3 is the delivery's own, or repeats
-- the dead letter that was.
select d.endpoint_id,
  d.event_id,
  d.event,
  d.data,
  longshore.audit_moment(d.created_at) as "at!",
  d.state,
  d.job_id in ($3, (select j.replay_of from queue.jobs j where j.id = $3 and j.team_id = $1)) is true as "own!",
  e.url as "url?",
  e.disabled_reason as "disabled_reason?"
from longshore.webhook_deliveries d
left join longshore.webhook_endpoints e on e.team_id = d.team_id and e.endpoint_id = d.endpoint_id
where d.team_id = $1
  and d.delivery_id = $2
