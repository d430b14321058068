-- Dead letters, newest first, behind the one named `$8`; the settled ones too when `$7`.
select d.job_id as "job: JobId", d.team_id as "team_id: TeamId", t.name as team, d.kind, d.died_at, d.attempts, d.error,
  d.replayed_as as "replayed_as?: JobId", d.replayed_at, d.discarded_at, d.settled_by
from queue.dead d
join longshore.teams t on t.team_id = d.team_id
where ($1::bigint[] is null or d.job_id = any ($1))
  and ($2::uuid is null or d.team_id = $2)
  and ($3::text is null or d.kind = $3)
  and ($4::text is null or strpos(lower(d.error), lower($4)) > 0)
  and ($5::timestamptz is null or d.died_at >= $5)
  and ($6::timestamptz is null or d.died_at <= $6)
  and ($7::boolean or (d.replayed_at is null and d.discarded_at is null))
  and ($8::bigint is null or (d.died_at, d.job_id) < (select b.died_at, b.job_id from queue.dead b where b.job_id = $8))
order by d.died_at desc, d.job_id desc
limit $9
