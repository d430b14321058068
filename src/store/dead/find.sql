-- One dead letter, whole.
select d.job_id as "job: JobId", d.team_id as "team_id: TeamId", t.name as team, d.kind, d.version, d.payload, d.correlation_id,
  d.created_at, d.died_at, d.attempts, d.max_attempts, d.error, d.errors, d.root_id as "root?: JobId", d.replay_of as "replay_of?: JobId",
  d.replayed_as as "replayed_as?: JobId", d.replayed_at, d.discarded_at, d.settled_by
from queue.dead d
join longshore.teams t on t.team_id = d.team_id
where d.job_id = $1
