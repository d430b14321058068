-- Plans, the newest first, behind `$1`.
select team_id as "team: TeamId", plan_id as "plan: PlanId", made_by, made_at, note, filter, patch, per_second, letters, settled, replayed,
  credits, needs_approval, approved_by, approved_at, started_by, started_at, stopped_by, stopped_at, ended_at
from queue.plans
where ($1::bigint is null or plan_id < $1)
order by plan_id desc
limit $2
