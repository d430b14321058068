-- How many of a team's keys live.
select count(*) as "keys!"
from longshore.api_keys
where team_id = $1
  and revoked_at is null
  and (expires_at is null or expires_at > now())
