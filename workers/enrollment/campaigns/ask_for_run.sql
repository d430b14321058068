-- Opens the record of an enrollment run together with its job.
insert into longshore.enrollment_runs (team_id, job_id, campaign_id, purpose)
values ($1, $2, $3, $4)
on conflict (team_id, job_id) do nothing
