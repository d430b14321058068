-- One setting of a team, held until the transaction ends.
select name, value, shown, version, updated_at, updated_by
from longshore.team_settings
where team_id = $1 and name = $2
for update
