-- A team's live keys that have a rate of their own.
select key_id as key, per_second as "per_second!", burst as "burst!"
from longshore.api_keys
where team_id = $1
  and per_second is not null
  and revoked_at is null
  and (expires_at is null or expires_at > now())
order by created_at, key_id
