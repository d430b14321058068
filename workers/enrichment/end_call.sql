-- Writes down what came of a call; the first record stays.
insert into longshore.vendor_calls (team_id, job_id, step, call, outcome, status, latency_ms, credits)
values ($1, $2, $3, $4, $5, $6, $7, $8)
on conflict (team_id, job_id, step, call) do nothing
