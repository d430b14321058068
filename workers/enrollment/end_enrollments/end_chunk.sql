-- Stops the next running enrollments of a campaign, by lead id; null when none is left.
with chunk as materialized (
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
  update longshore.enrollments
  set state = 'stopped',
      next_step = null,
      next_due_at = null
  where team_id = $1
    and campaign_id = $2
    and lead_id = any (array(select lead_id from chunk))
  returning lead_id
)
select count(*) as "ended!", max(lead_id) as last_lead
from ended
