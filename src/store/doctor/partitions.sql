-- Whether the job ids of the next ten million have partitions; null where this role may not see the newest id.
select case
  when to_regclass('queue.job_ids') is null or not has_sequence_privilege('queue.job_ids', 'select') then null
  else (select bool_and(to_regclass(format('queue.jobs_%sd_%s', q.days, (j.last_value + ahead) / 10000000)) is not null)
    from queue.job_ids j, (select distinct history_days as days from queue.queues union select 30) q, (values (0), (10000000)) a(ahead))
end as there
