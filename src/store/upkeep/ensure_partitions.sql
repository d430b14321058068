-- Makes partitions ahead of the newest job id.
select queue.ensure_partitions() as "made!"
