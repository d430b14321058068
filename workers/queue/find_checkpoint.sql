-- Where the next attempt resumes.
select checkpoint from queue.progress
where team_id = $1
  and job_id = $2
