-- What a selection of open dead letters holds, oldest first and at most `$7`: how many, since when, of which kinds, and
-- the most credits their runs may cost. `until` is the database's moment, so that later deaths stay out of the selection.
with chosen as materialized (
  select d.died_at, d.kind
  from queue.dead d
  where d.replayed_at is null
    and d.discarded_at is null
    and ($1::bigint[] is null or d.job_id = any ($1))
    and ($2::uuid is null or d.team_id = $2)
    and ($3::text is null or d.kind = $3)
    and ($4::text is null or strpos(lower(d.error), lower($4)) > 0)
    and ($5::timestamptz is null or d.died_at >= $5)
    and d.died_at <= coalesce($6, now())
  order by d.died_at, d.job_id
  limit $7
), kinds as (
  select c.kind, count(*) as jobs, coalesce(max(k.price), 0) as price
  from chosen c left join queue.kinds k on k.kind = c.kind
  group by c.kind
)
select (select count(*) from chosen) as "matched!",
  (select min(died_at) from chosen) as oldest,
  (select max(died_at) from chosen) as newest,
  (select coalesce(jsonb_object_agg(kind, jobs), '{}') from kinds) as "kinds!",
  (select coalesce(sum(jobs * price), 0)::bigint from kinds) as "price!",
  coalesce($6, now()) as "until!"
