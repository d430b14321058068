-- Moves enrollments on: to one next step, or out of the sequence. Each by its key, which a plan made for a table that was just
-- filled finds only where it is joined.
update longshore.enrollments e
set state = $4,
    next_step = $5,
    next_due_at = $6
from unnest($3::bigint[]) as l(lead_id)
where e.team_id = $1
  and e.campaign_id = $2
  and e.lead_id = l.lead_id
