-- Enqueues a schedule's job now; no row when the team has no such schedule.
select job_id as "job_id!", deduplicated as "deduplicated!"
from queue.run_schedule($1, $2, $3)
