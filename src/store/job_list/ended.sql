-- The newest jobs behind `$4` that ended with outcome `$6`.
select j.id
from queue.jobs j
where ($1::uuid is null or j.team_id = $1)
  and ($2::text is null or j.kind = $2)
  and ($3::smallint is null or j.queue_id = $3)
  and ($4::bigint is null or j.id < $4)
  and exists (select from queue.outcomes o where o.job_id = j.id and o.team_id = j.team_id and o.keep = j.keep and o.outcome = $6::smallint)
order by j.id desc
limit $5
