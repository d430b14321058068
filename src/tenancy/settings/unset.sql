-- Takes a team's setting away.
delete from longshore.team_settings
where team_id = $1 and name = $2
