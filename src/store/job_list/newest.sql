-- The newest jobs behind `$4`, whatever became of them.
select j.id
from queue.jobs j
where ($1::uuid is null or j.team_id = $1)
  and ($2::text is null or j.kind = $2)
  and ($3::smallint is null or j.queue_id = $3)
  and ($4::bigint is null or j.id < $4)
order by j.id desc
limit $5
