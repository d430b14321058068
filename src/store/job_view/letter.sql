-- Whether a dead letter of this job is kept: it outlives the job's history.
select exists (select from queue.dead d where d.job_id = $1) as "kept!"
