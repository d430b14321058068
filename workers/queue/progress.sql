-- Sets how far a job is, and leaves where its next attempt resumes.
insert into queue.progress (team_id, job_id, done, total)
values ($1, $2, $3, $4)
on conflict (team_id, job_id) do update
set done = excluded.done,
    total = excluded.total,
    updated_at = now()
