-- Finishes jobs, only under leases that this process still holds; answers which were accepted.
select coalesce(array_agg(job), '{}') as "jobs!" from queue.finish($1, $2, $3) job
