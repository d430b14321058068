-- Opens the record of a run; a later attempt finds it as it is.
insert into longshore.enrollment_runs (team_id, job_id, campaign_id, started_at, purpose)
values ($1, $2, $3, $4, $5)
on conflict (team_id, job_id) do nothing
