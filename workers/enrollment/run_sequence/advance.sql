-- Moves enrollments on: to one next step, or out of the sequence. By key and without a join, so that no plan reads more.
update longshore.enrollments
set state = $4,
    next_step = $5,
    next_due_at = $6
where team_id = $1
  and campaign_id = $2
  and lead_id = any ($3)
