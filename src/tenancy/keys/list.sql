-- A team's keys, oldest first; the secrets are nowhere.
select key_id, name, scopes, created_at, expires_at, revoked_at, last_used_on, lineage, per_second, burst, person
from longshore.api_keys
where team_id = $1
order by created_at, key_id
