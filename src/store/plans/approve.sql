-- Approves a plan; refused to the one who made it.
select queue.approve_plan($1, $2, $3) as "approved"
