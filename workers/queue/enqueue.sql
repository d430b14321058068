-- Accepts one job in this transaction, for the transaction's own team where none is named (docs/SQL.md has the contract).
-- A call in a FROM would cost a tenth more.
select (e.job).job_id as "job_id!", (e.job).deduplicated as "deduplicated!"
from (
  select queue.enqueue(coalesce($1, longshore.current_team()), $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) as job
  offset 0 -- else it would be called once for each column
) e
