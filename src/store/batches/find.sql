-- A batch of this team, as it was added up last.
select batch_id as "id: BatchId", jobs, done, dead, cancelled, created_at, sealed_at, ended_at, then_kind, then_job as "then_job: JobId"
from queue.batches
where team_id = $1
  and batch_id = $2
