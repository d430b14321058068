-- Accepts jobs of one team, each answering for itself: one statement, one transaction, one round trip.
-- A key that somebody's open transaction holds is waited for two seconds, no longer.
select e.job_id, e.deduplicated as "deduplicated!", e.problem
from (select set_config('app.team_id', $1, true) as team, set_config('lock_timeout', '2s', true)) act
cross join lateral queue.enqueue_each(act.team::uuid, $2, $3, $4, $5, $6, $7, limit_keys => $8, limit_tos => $9) e
order by e.ordinal
