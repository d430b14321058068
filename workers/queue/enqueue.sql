-- Accepts one job in this transaction, for the transaction's own team where none is named (docs/SQL.md has the contract).
select job_id as "job_id!", deduplicated as "deduplicated!"
from queue.enqueue(coalesce($1, longshore.current_team()), $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
