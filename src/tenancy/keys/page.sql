-- A page of a team's keys, newest first, behind the key `$2`.
select key_id, name, scopes, created_at, expires_at, revoked_at, last_used_on, lineage, per_second, burst, person
from longshore.api_keys
where team_id = $1
  and ($2::text is null or (created_at, key_id) < (select a.created_at, a.key_id from longshore.api_keys a where a.team_id = $1 and a.key_id = $2))
order by created_at desc, key_id desc
limit $3
