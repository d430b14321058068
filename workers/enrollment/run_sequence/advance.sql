-- Moves enrollments on: to their next step, or out of the sequence. The arrays run in parallel.
update longshore.enrollments e
set state = n.state,
    next_step = n.next_step,
    next_due_at = n.next_due_at
from unnest($3::bigint[], $4::text[], $5::smallint[], $6::timestamptz[]) as n(lead_id, state, next_step, next_due_at)
where e.team_id = $1
  and e.campaign_id = $2
  and e.lead_id = n.lead_id
