-- Every queue with its last measured depths. They are counted by the scheduler, so that looking costs nothing.
select q.name, q.paused_at, q.paused_by, q.paused_reason,
  max(d.jobs) filter (where d.state = 'ready') as ready,
  max(d.jobs) filter (where d.state = 'scheduled') as scheduled,
  max(d.jobs) filter (where d.state = 'parked') as parked,
  max(d.jobs) filter (where d.state = 'running') as running,
  max(d.jobs) filter (where d.state = 'dead') as dead,
  max(d.oldest_at) filter (where d.state = 'ready') as oldest_ready_at,
  min(d.measured_at) as measured_at
from queue.queues q
left join queue.depths d on d.queue_id = q.id
group by q.id
order by q.name
