-- Wakes the job that was parked until the outcome of its message is known.
select queue.unpark($1, $2) as "woken!"
