-- Where watched jobs are, in one question for all who wait.
select team_id as "team!: TeamId", job_id as "job!: JobId", outcome, waits_for, waiting_attempt, running_attempt, cancelling as "cancelling!", done
from queue.watch_jobs($1, $2)
