-- The newest jobs behind `$4` that are accepted and do not run, wherever they wait.
select w.id as "id!"
from (
  (select r.id
   from (select unnest(jobs) as id from queue.ready
         where ($1::uuid is null or team_id = $1) and ($2::text is null or kind = $2) and ($3::smallint is null or queue_id = $3)) r
   where ($4::bigint is null or r.id < $4)
   order by r.id desc
   limit $5)
  union all
  (select b.id
   from (select unnest(jobs) as id from queue.blocked
         where ($1::uuid is null or team_id = $1) and ($2::text is null or kind = $2) and ($3::smallint is null or queue_id = $3)) b
   where ($4::bigint is null or b.id < $4)
   order by b.id desc
   limit $5)
  union all
  (select u.job_id
   from queue.suspects u
   where ($1::uuid is null or u.team_id = $1)
     and ($2::text is null or u.kind = $2)
     and ($3::smallint is null or u.queue_id = $3)
     and ($4::bigint is null or u.job_id < $4)
   order by u.job_id desc
   limit $5)
  union all
  (select s.job_id
   from queue.scheduled s
   where ($1::uuid is null or s.team_id = $1)
     and ($2::text is null or s.kind = $2)
     and ($3::smallint is null or s.queue_id = $3)
     and ($4::bigint is null or s.job_id < $4)
   order by s.job_id desc
   limit $5)
) w
order by w.id desc
limit $5
