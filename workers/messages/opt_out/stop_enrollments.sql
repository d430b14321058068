-- Stops the running sequences of the lead with this number.
update longshore.enrollments e
set state = 'stopped',
    next_step = null,
    next_due_at = null
from longshore.leads l
where l.team_id = $1
  and l.phone = $2
  and e.team_id = l.team_id
  and e.lead_id = l.lead_id
  and e.state = 'running'
