-- Schedules whose tick is due, longest overdue first.
select team_id, name, cron, time_zone, missed, catch_up_most, next_due_at, now() as "now!"
from queue.schedules
where paused_at is null
  and next_due_at <= now()
order by next_due_at
limit $1
