-- The queue of that name.
select id from queue.queues where name = $1
