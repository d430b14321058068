-- Sets all of a lane, live in every process; false when there is no such queue.
select queue.set_lane($1, $2, $3, $4, $5, $6, $7) as "found!"
