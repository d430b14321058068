-- Reads the depths as they were last measured. A job that is due later has no age yet.
select
  q.name as "queue!",
  d.state as "state!",
  d.jobs as "jobs!",
  greatest(0, coalesce(extract(epoch from now() - d.oldest_at), 0))::float8 as "oldest_age_seconds!",
  extract(epoch from d.measured_at)::float8 as "measured_at!"
from queue.depths d
join queue.queues q on q.id = d.queue_id
