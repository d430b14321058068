-- A lead's way through a campaign's sequence.
select state, enrolled_at, run_job, round, next_step, next_due_at
from longshore.enrollments
where team_id = $1
  and campaign_id = $2
  and lead_id = $3
