-- A secret of a team, sealed.
select secret
from longshore.team_settings
where team_id = $1 and name = $2
