-- Adds a chunk to its run's counters; what was free when looked at and not enrolled was lost to another run.
update longshore.enrollment_runs
set attempted = attempted + $3,
    enrolled = enrolled + $4,
    enrolled_before = enrolled_before + $5,
    no_phone = no_phone + $6,
    stopped = stopped + $7,
    suppressed = suppressed + $8,
    running_elsewhere = running_elsewhere + $9,
    lost_race = lost_race + ($3 - $4 - $5 - $6 - $7 - $8 - $9),
    repeated_chunks = repeated_chunks + $10,
    errors = greatest(errors, $11)
where team_id = $1
  and job_id = $2
