-- Stops a schedule, or lets it go on at `$4`; false when the team has no such schedule.
select queue.hold_schedule($1, $2, $3, $4, $5) as "found!"
