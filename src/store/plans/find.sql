-- One plan, as far as the asker may see it.
select team_id as "team: TeamId", plan_id as "plan: PlanId", made_by, made_at, note, filter, patch, per_second, letters, settled, replayed,
  credits, needs_approval, approved_by, approved_at, started_by, started_at, stopped_by, stopped_at, ended_at
from queue.plans
where plan_id = $1
