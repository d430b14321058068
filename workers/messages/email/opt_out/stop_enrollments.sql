-- Stops the running sequence of a lead.
update longshore.enrollments
set state = 'stopped',
    next_step = null,
    next_due_at = null
where team_id = $1
  and lead_id = $2
  and state = 'running'
