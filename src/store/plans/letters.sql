-- The next open dead letters of a selection with what they would run with, oldest first, behind the one that died at `$7`
-- with id `$8`. `current` is the version of its kind that the fleet runs now.
select d.job_id as "job: JobId", d.died_at, d.kind, d.version, d.payload, k.version as "current?"
from queue.dead d
left join queue.kinds k on k.kind = d.kind
where d.replayed_at is null
  and d.discarded_at is null
  and ($1::bigint[] is null or d.job_id = any ($1))
  and ($2::uuid is null or d.team_id = $2)
  and ($3::text is null or d.kind = $3)
  and ($4::text is null or strpos(lower(d.error), lower($4)) > 0)
  and ($5::timestamptz is null or d.died_at >= $5)
  and d.died_at <= coalesce($6, now())
  and ($7::timestamptz is null or (d.died_at, d.job_id) > ($7, $8::bigint))
order by d.died_at, d.job_id
limit $9
