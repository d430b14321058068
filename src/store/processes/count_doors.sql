-- How many API processes are alive.
select count(*) as "alive!" from queue.processes where role = 'api' and expires_at > now()
