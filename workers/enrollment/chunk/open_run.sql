-- Opens the record of a run, or begins one that was opened with its job; a later attempt finds it as it is.
insert into longshore.enrollment_runs as r (team_id, job_id, campaign_id, started_at, purpose)
values ($1, $2, $3, $4, $5)
on conflict (team_id, job_id) do update
set started_at = coalesce(r.started_at, excluded.started_at)
