-- Enters a process into the fleet.
select queue.enter($1, $2, $3, $4, $5, $6, $7, $8) as "now!"
