-- Adds letters to an open plan; what is wrong with one refuses it at once.
select queue.add_to_plan($1, $2, $3, $4, $5) as "added"
