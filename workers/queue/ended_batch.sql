-- The batch behind which a job was enqueued, with what became of its jobs.
select batch_id as "batch: _", jobs, done, dead, cancelled
from queue.batches
where team_id = $1
  and then_job = $2
