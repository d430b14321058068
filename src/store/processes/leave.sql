-- Takes a process out of the fleet.
select queue.leave($1)::text
