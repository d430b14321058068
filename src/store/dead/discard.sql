-- Gives up one dead letter for good; false when somebody settled it before.
select queue.discard($1, $2, $3, $4) as "discarded!"
