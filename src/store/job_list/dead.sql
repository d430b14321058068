-- The newest jobs behind `$4` that died, replayed and discarded ones included.
select d.job_id as id
from queue.dead d
where ($1::uuid is null or d.team_id = $1)
  and ($2::text is null or d.kind = $2)
  and ($3::smallint is null or d.queue_id = $3)
  and ($4::bigint is null or d.job_id < $4)
order by d.job_id desc
limit $5
