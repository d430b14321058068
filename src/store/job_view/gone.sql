-- What is left of the jobs among which this one would be, once their history was dropped: a line a day, kind and outcome.
select t.team_id as "team: TeamId", t.day, t.kind, case t.outcome when 1 then 'done' when 3 then 'cancelled' else 'dead' end as "outcome!",
  t.jobs, t.first_job as "first_job: JobId", t.last_job as "last_job: JobId", t.dropped_at
from queue.tombstones t
where $1 between t.first_job and t.last_job
order by t.team_id, t.day, t.kind, t.outcome, t.first_job
