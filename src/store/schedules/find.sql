-- The pattern of one schedule.
select cron, time_zone
from queue.schedules
where team_id = $1
  and name = $2
