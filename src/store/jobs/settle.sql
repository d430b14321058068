-- Settles each job by its own verdict, only under leases that this process still holds; answers which were accepted.
select queue.settle($1, $2, $3, $4, $5, $6, $7) as "job_id!"
