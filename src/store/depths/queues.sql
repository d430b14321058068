-- Says of each queue whether it is paused and how many live workers claim from it.
select
  q.name as "queue!",
  q.paused_at is not null as "paused!",
  (select count(*) from queue.processes p where p.role = 'worker' and p.expires_at > now() and q.name = any (p.queues)) as "workers!"
from queue.queues q
