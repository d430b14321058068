-- Ends a key, once; no row when the team has no such key or it was revoked before.
update longshore.api_keys
set revoked_at = now()
where team_id = $1
  and key_id = $2
  and revoked_at is null
returning scopes, expires_at, person
