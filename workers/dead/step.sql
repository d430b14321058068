-- Settles the next letter of a running plan, or says why there is none to settle now.
select state as "state!", job_id as "job: JobId", replayed_as as "replayed_as: JobId", reason, wait_seconds
from queue.step_plan($1, $2, $3)
