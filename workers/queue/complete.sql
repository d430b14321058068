-- Completes the job in this transaction, only for the holder of its lease; raises LS010 if that is no longer us.
select queue.complete($1, $2, $3, $4)::text
