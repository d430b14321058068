-- Every attempt of a job that did not succeed, oldest first.
select attempt, result, error, started_at, ended_at, boot_id as process
from queue.attempts
where job_id = $1
order by ended_at, attempt
