-- Asserts that the lease is still this process's, and keeps it so until the transaction ends; raises LS010 if not.
select queue.hold($1, $2, $3)::text
