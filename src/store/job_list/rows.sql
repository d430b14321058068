-- Chosen jobs, newest first, each with the place where it is: looked for in the order outcome, scheduled, lease, blocked,
-- suspects; a job in none of them is ready.
select j.id as "id: JobId", j.team_id as "team_id: TeamId", t.name as team, j.kind, q.name as queue, j.created_at,
  o.outcome as "outcome?", o.finished_at as "finished_at?",
  coalesce(s.reason, case when b.limit_key is not null then 'blocked' when u.job_id is not null then 'suspect' end) as "waits_for?", nullif(s.run_at, 'infinity') as "run_at?",
  coalesce(l.attempt, s.attempt, o.attempt, b.attempt, u.attempt, 0::smallint) as "attempt!",
  l.fence is not null as "running!"
from queue.jobs j
join queue.queues q on q.id = j.queue_id
join longshore.teams t on t.team_id = j.team_id
left join queue.outcomes o on o.job_id = j.id and o.team_id = j.team_id and o.keep = j.keep and o.job_id = any ($1)
left join queue.scheduled s on s.job_id = j.id and s.team_id = j.team_id
left join lateral (
  select x.fence, x.attempt from queue.leases x where x.team_id = j.team_id and j.id = any (x.open) limit 1
) l on o.outcome is null and s.reason is null
left join lateral (
  select x.limit_key, x.attempt from queue.blocked x where x.team_id = j.team_id and x.limit_key = j.limit_key and j.id = any (x.jobs) limit 1
) b on true
left join queue.suspects u on u.queue_id = j.queue_id and u.job_id = j.id and u.team_id = j.team_id
where j.id = any ($1)
order by j.id desc
