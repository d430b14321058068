-- Records a step's result once; the first record stays.
insert into queue.steps (team_id, job_id, name, result)
values ($1, $2, $3, $4)
on conflict (team_id, job_id, name) do nothing
