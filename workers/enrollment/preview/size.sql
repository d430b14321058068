-- How many leads the team has, or $2 where it has more.
select count(*) as "leads!"
from (
  select
  from longshore.leads
  where team_id = $1
  limit $2
) counted
