-- Sets for how many days a queue's finished jobs are kept, from those enqueued from now on; false when there is no such queue.
select queue.keep_history($1, $2) as "found!"
