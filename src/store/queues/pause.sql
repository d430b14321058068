-- Stops claiming from a queue in every process at once; false when there is no such queue.
select queue.pause($1, $2, $3) as "found!"
