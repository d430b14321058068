-- Counts the live processes of each role, those with none too.
select
  r.role as "role!",
  (select count(*) from queue.processes p where p.role = r.role and p.expires_at > now()) as "alive!"
from (values ('api'), ('worker'), ('scheduler')) as r (role)
