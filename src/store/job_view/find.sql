-- One job wherever it is, in one statement, so that a job on the move is never seen nowhere or twice.
-- Looked for in the order outcome, scheduled, lease, blocked, suspects; a job in none of them is ready.
select j.id, j.team_id as "team: TeamId", j.kind, q.name as queue, j.version, j.priority, j.max_attempts, j.payload, j.correlation_id,
  j.parent_id, j.replay_of, j.root_id, j.created_at,
  o.outcome as "outcome?", o.attempt as "ended_attempt?", o.claimed_at as "ended_claim?", o.finished_at as "finished_at?",
  coalesce(s.reason, case when b.limit_key is not null then 'blocked' when u.job_id is not null then 'suspect' end) as "waits_for?",
  coalesce(s.detail, b.limit_key) as "detail?", coalesce(s.attempt, b.attempt, u.attempt) as "waiting_attempt?", nullif(s.run_at, 'infinity') as "run_at?",
  l.attempt as "running_attempt?", l.claimed_at as "claimed_at?", l.boot_id as "process?",
  (select max(a.attempt) from queue.attempts a where a.job_id = $1 and a.team_id = j.team_id) as "failed_attempt?",
  exists (select from queue.cancels c where c.job_id = $1 and c.team_id = j.team_id) as "cancelling!",
  d.error as "last_error?", d.replayed_as as "replayed_as?", d.discarded_at as "discarded_at?",
  p.done as "progress_done?", p.total as "progress_total?",
  out.output as "output?"
from queue.jobs j
join queue.queues q on q.id = j.queue_id
left join lateral (
  select x.* from queue.outcomes x where x.job_id = $1 and x.team_id = j.team_id and x.keep = j.keep order by x.finished_at desc limit 1
) o on true
left join queue.dead d on d.job_id = $1 and d.team_id = j.team_id
left join queue.scheduled s on s.job_id = $1 and s.team_id = j.team_id
left join lateral (
  select x.* from queue.leases x where x.team_id = j.team_id and $1 = any (x.open) and o.outcome is null and s.reason is null limit 1
) l on true
left join queue.progress p on p.job_id = $1 and p.team_id = j.team_id
left join queue.outputs out on out.job_id = $1 and out.team_id = j.team_id and out.keep = j.keep
left join lateral (
  select x.limit_key, x.attempt from queue.blocked x where x.team_id = j.team_id and x.limit_key = j.limit_key and j.id = any (x.jobs) limit 1
) b on true
left join queue.suspects u on u.queue_id = j.queue_id and u.job_id = j.id and u.team_id = j.team_id
where j.id = $1
