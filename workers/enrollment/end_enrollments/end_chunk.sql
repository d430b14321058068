-- Stops the next running enrollments of a campaign, by lead id; null when none is left.
with chunk as (
  select lead_id
  from longshore.enrollments
  where team_id = $1
    and campaign_id = $2
    and lead_id > $3
    and state = 'running'
  order by lead_id
  limit $4
  for update
), ended as (
  update longshore.enrollments e
  set state = 'stopped',
      next_step = null,
      next_due_at = null
  from chunk c
  where e.team_id = $1
    and e.campaign_id = $2
    and e.lead_id = c.lead_id
  returning e.lead_id
)
select count(*) as "ended!", max(lead_id) as last_lead
from ended
