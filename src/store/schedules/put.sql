-- Creates or changes a schedule.
select queue.put_schedule($1, $2, $3, $4, $5, $6, $7, $8, $9)::text as put
