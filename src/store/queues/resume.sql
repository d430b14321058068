-- Lets claiming from a queue go on; false when there is no such queue.
select queue.resume($1) as "found!"
