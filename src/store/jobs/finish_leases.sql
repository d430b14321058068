-- Finishes leases whose jobs are all done; answers which it ended.
select coalesce(array_agg(fence), '{}') as "fences!" from queue.finish_leases($1, $2, $3, $4) fence
