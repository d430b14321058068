-- One setting of a team; of a secret its mask.
select name, value, shown, version, updated_at, updated_by
from longshore.team_settings
where team_id = $1 and name = $2
