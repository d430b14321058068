-- Stops claiming from a queue, of a team, of a kind, in every process at once; false when there is no such queue or kind.
select queue.pause($1, $2, $3, $4, $5) as "found!"
