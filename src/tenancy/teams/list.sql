-- All teams that this role may see, oldest first.
select team_id as "team_id: TeamId", name, created_at
from longshore.teams
order by created_at, team_id
