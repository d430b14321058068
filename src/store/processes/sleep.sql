-- Says that this process sleeps until the queue has work, or that it no longer does; answers with the queue's id.
select queue.sleep($1, $2, $3) as queue_id
