-- Every queue with its last measured depths. They are counted by the scheduler, so that looking costs nothing.
select q.name, q.history_days, p.paused_at as "paused_at?", p.paused_by as "paused_by?", p.reason as "paused_reason?",
  max(d.jobs) filter (where d.state = 'ready') as ready,
  max(d.jobs) filter (where d.state = 'blocked') as blocked,
  max(d.jobs) filter (where d.state = 'scheduled') as scheduled,
  max(d.jobs) filter (where d.state = 'parked') as parked,
  max(d.jobs) filter (where d.state = 'running') as running,
  max(d.jobs) filter (where d.state = 'dead') as dead,
  max(d.oldest_at) filter (where d.state = 'ready') as oldest_ready_at,
  min(d.measured_at) as measured_at
from queue.queues q
left join queue.depths d on d.queue_id = q.id
left join queue.pauses p on p.queue_id = q.id and p.team_id = '00000000-0000-0000-0000-000000000000' and p.kind = ''
group by q.id, p.paused_at, p.paused_by, p.reason
order by q.name
