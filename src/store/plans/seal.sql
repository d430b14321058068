-- Closes a plan's selection; true where it needs an approval.
select queue.seal_plan($1, $2, $3, $4) as "needs_approval!"
