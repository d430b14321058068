-- Sets a named rate, a team's or (null) one that every team shares.
select queue.set_bucket($1, $2, $3, $4)::text
