-- Whether this role may see the newest job id.
select coalesce(has_sequence_privilege(to_regclass('queue.job_ids')::oid, 'select'), false) as "sees!"
