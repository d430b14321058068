-- Accepts one job of any kind in this transaction (migration 0003 holds the contract).
select job_id as "job!: JobId", deduplicated as "deduplicated!"
from queue.enqueue($1, $2, $3, $4, $5, $6, $7)
