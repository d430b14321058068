-- The processes that are alive, by role.
select role as "role!", count(*) as "processes!" from queue.processes where expires_at > now() group by role order by role
