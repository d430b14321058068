-- The team of that id or that name. No team's name can be read as an id.
select team_id as "team_id: TeamId", name, created_at
from longshore.teams
where team_id = $1 or name = $2
