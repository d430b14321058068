-- How the campaign's enrollments stand.
select count(*) as "enrolled!",
  count(*) filter (where state = 'running') as "running!",
  count(*) filter (where state = 'completed') as "completed!",
  count(*) filter (where state = 'stopped') as "stopped!"
from longshore.enrollments
where team_id = $1
  and campaign_id = $2
