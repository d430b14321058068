-- Fires or skips one tick, once; null when another scheduler was first.
select queue.tick($1, $2, $3, $4, $5)
