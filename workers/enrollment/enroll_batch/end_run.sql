-- Ends a run and answers with what it did.
update longshore.enrollment_runs
set ended_at = $3
where team_id = $1
  and job_id = $2
returning attempted, enrolled, no_phone, stopped, suppressed, running_elsewhere, enrolled_before, lost_race, repeated_chunks, errors
