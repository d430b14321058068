-- One job wherever it is, in one statement, so that a job on the move is never seen nowhere or twice.
-- Looked for in the order outcome, scheduled, lease; a job in none of them is ready.
select j.id, j.team_id as "team: TeamId", j.kind, q.name as queue, j.version, j.priority, j.max_attempts, j.payload, j.correlation_id,
  j.parent_id, j.replay_of, j.root_id, j.created_at,
  o.outcome as "outcome?", o.attempt as "ended_attempt?", o.claimed_at as "ended_claim?", o.finished_at as "finished_at?",
  s.reason as "waits_for?", s.detail as "detail?", s.attempt as "waiting_attempt?", nullif(s.run_at, 'infinity') as "run_at?",
  l.attempt as "running_attempt?", l.claimed_at as "claimed_at?", l.boot_id as "process?",
  (select max(a.attempt) from queue.attempts a where a.job_id = $1 and a.team_id = j.team_id) as "failed_attempt?",
  exists (select from queue.cancels c where c.job_id = $1 and c.team_id = j.team_id) as "cancelling!",
  d.error as "last_error?", d.replayed_as as "replayed_as?", d.discarded_at as "discarded_at?",
  p.done as "progress_done?", p.total as "progress_total?",
  u.output as "output?"
from queue.jobs j
join queue.queues q on q.id = j.queue_id
left join lateral (
  select x.* from queue.outcomes x where x.job_id = $1 and x.team_id = j.team_id order by x.finished_at desc limit 1
) o on true
left join queue.dead d on d.job_id = $1 and d.team_id = j.team_id
left join queue.scheduled s on s.job_id = $1 and s.team_id = j.team_id
left join lateral (
  select x.* from queue.leases x where x.team_id = j.team_id and $1 = any (x.open) and o.outcome is null and s.reason is null limit 1
) l on true
left join queue.progress p on p.job_id = $1 and p.team_id = j.team_id
left join queue.outputs u on u.job_id = $1 and u.team_id = j.team_id
where j.id = $1
