-- Reads the depths as they were last measured. The age of a job that is due later is negative.
select
  q.name as "queue!",
  d.state as "state!",
  d.jobs as "jobs!",
  coalesce(extract(epoch from now() - d.oldest_at), 0)::float8 as "oldest_age_seconds!",
  extract(epoch from d.measured_at)::float8 as "measured_at!"
from queue.depths d
join queue.queues q on q.id = d.queue_id
