-- Locks a live key of the team, so that nobody replaces it meanwhile; no row when there is none.
select scopes, per_second, burst, person
from longshore.api_keys
where team_id = $1
  and key_id = $2
  and revoked_at is null
  and (expires_at is null or expires_at > now())
for update
