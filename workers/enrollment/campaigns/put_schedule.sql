-- Runs a campaign's sequence every minute from $4 on.
select queue.put_schedule($1, $2, $3, $5, '* * * * *', 'UTC', 'run_once', $4)::text
