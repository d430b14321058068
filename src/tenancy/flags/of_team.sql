-- Every flag as a team has it.
select f.name, f.description, longshore.flag_is_on(f.name, $1) as "on!"
from longshore.flags f
order by f.name
