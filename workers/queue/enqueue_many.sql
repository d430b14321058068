-- Accepts many jobs of one kind in this transaction, for its own team where none is named; each row answers for itself, in order.
select job_id, deduplicated as "deduplicated!", problem
from queue.enqueue_many(coalesce($1, longshore.current_team()), $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
order by ordinal
