-- Creates or changes a schedule; true when it is new.
select queue.put_schedule($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) as "new!"
