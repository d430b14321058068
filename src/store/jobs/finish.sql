-- Finishes jobs, only under leases that this process still holds; answers which were accepted.
select queue.finish($1, $2, $3) as "job_id!"
