-- The recorded result of a step; no row when it has not happened.
select result from queue.steps
where team_id = $1
  and job_id = $2
  and name = $3
