-- Hands back, unrun, jobs whose claim this process never heard of.
select queue.disown($1, $2) as "jobs!"
