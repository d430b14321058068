-- Takes a schedule away; false when the team has no such schedule.
select queue.delete_schedule($1, $2) as "found!"
