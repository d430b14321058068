-- Sets how far a job is and where its next attempt resumes.
insert into queue.progress (team_id, job_id, done, total, checkpoint)
values ($1, $2, $3, $4, $5)
on conflict (team_id, job_id) do update
set done = excluded.done,
    total = excluded.total,
    checkpoint = excluded.checkpoint,
    updated_at = now()
