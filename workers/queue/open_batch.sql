-- Opens a batch; the job behind it is enqueued when it is sealed and its last job has ended.
select queue.open_batch($1, $2, $3, $4, $5, $6) as "batch_id!"
