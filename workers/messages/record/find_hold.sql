-- The credits that were last reserved for a message, and how they stand; no row when none were.
select h.job_id, h.call, h.amount, h.state, coalesce(m.segments, 1)::bigint as "segments!"
from longshore.messages m
join longshore.credit_holds h on h.team_id = m.team_id and h.job_id = m.hold_job and h.step = 'sms' and h.call = m.tries
where m.team_id = $1
  and m.message_id = $2
