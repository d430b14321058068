-- Replays one dead letter as a new job, once; `$4` null keeps its payload.
select queue.replay($1, $2, $3, $4, null, $5) as "job!: JobId"
