-- The rates that a team's jobs share by name: its own, and those of every team.
select name as "name!", per_second as "per_second!", burst as "burst!"
from longshore.shared_rates($1)
order by name
