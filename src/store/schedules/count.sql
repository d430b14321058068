-- How many schedules a team has.
select count(*) as "count!"
from queue.schedules
where team_id = $1
