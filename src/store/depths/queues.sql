-- Says of each queue whether it is paused and how many live workers claim from it.
select
  q.name as "queue!",
  exists (
    select from queue.pauses p where p.queue_id = q.id and p.team_id = '00000000-0000-0000-0000-000000000000' and p.kind = ''
  ) as "paused!",
  (select count(*) from queue.processes p where p.role = 'worker' and p.expires_at > now() and q.name = any (p.queues)) as "workers!"
from queue.queues q
