-- The newest jobs behind `$4` that some process holds.
select r.id as "id!"
from (
  select unnest(open) as id
  from queue.leases
  where ($1::uuid is null or team_id = $1) and ($2::text is null or kind = $2) and ($3::smallint is null or queue_id = $3)
) r
where ($4::bigint is null or r.id < $4)
order by r.id desc
limit $5
