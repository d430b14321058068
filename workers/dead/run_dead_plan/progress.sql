-- How many letters of a plan are settled, of how many, and how many of them run again.
select letters, settled, replayed
from queue.plans
where team_id = $1 and plan_id = $2
