-- Takes no more jobs into a batch; false when there is none that is open.
select queue.seal_batch($1, $2) as "sealed!"
