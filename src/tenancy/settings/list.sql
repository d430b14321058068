-- What a team has set; of secrets their masks.
select name, value, shown, version, updated_at, updated_by
from longshore.team_settings
where team_id = $1
