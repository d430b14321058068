-- Cancels a job of a team: cancelled, cancelling, or how it had ended; null when the team has no such job.
select queue.cancel(act.team::uuid, $2, $3) as answer
from (select set_config('app.team_id', $1, true) as team, set_config('lock_timeout', '2s', true)) act
