-- What a team has set, but its secrets.
select name, value as "value!"
from longshore.team_settings
where team_id = $1 and value is not null
