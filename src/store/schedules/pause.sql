-- Stops a schedule from firing until somebody resumes it.
select queue.pause_schedule($1, $2, $3) as "paused!"
