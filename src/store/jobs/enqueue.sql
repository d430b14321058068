-- Accepts one job of a team: one statement, one transaction, one round trip.
-- A key that somebody's open transaction holds is waited for two seconds, no longer.
select e.job_id as "job_id!", e.deduplicated as "deduplicated!"
from (select set_config('app.team_id', $1, true) as team, set_config('lock_timeout', '2s', true)) act
cross join lateral queue.enqueue(act.team::uuid, $2, $3, $4, $5, $6, $7, key_scope => coalesce($8, 'period'),
  on_conflict => coalesce($9, 'first'), limit_key => $10, limit_to => $11, chain => $12) e
