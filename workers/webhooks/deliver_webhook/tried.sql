-- Notes one try of a delivery, and its end where this was the last ($5). One that was given up before and is tried again after
-- all waits anew, and has this job ($6).
update longshore.webhook_deliveries
set attempts = attempts + 1,
    job_id = $6,
    status = $3,
    problem = left($4, 500),
    tried_at = now(),
    state = coalesce($5, 'waiting'),
    ended_at = case when $5::text is not null then now() end
where team_id = $1
  and delivery_id = $2
