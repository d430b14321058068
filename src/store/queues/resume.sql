-- Takes back a pause; false when there is none.
select queue.resume($1, $2, $3) as "found!"
