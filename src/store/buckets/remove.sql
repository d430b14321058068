-- Takes a named rate away; false when there was none.
select exists (
    select from queue.buckets b where b.team_id = coalesce($1::uuid, '00000000-0000-0000-0000-000000000000') and b.name = $2
  ) and queue.set_bucket($1, $2, null)::text is not null as "found!"
