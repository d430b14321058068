-- Whether the job ids of the next ten million have partitions.
select bool_and(to_regclass(format('queue.jobs_%sd_%s', q.days, (j.last_value + ahead) / 10000000)) is not null) as "there!"
from queue.job_ids j, (select distinct history_days as days from queue.queues union select 30) q, (values (0), (10000000)) a(ahead)
