-- Puts a new key beside one that was locked before, which ends `$5` from now at the latest. No row when another key of that
-- lineage lives already.
with old as (
  update longshore.api_keys k
  set expires_at = least(k.expires_at, now() + $5)
  where k.team_id = $1
    and k.key_id = $2
    and not exists (select from longshore.api_keys o
      where o.team_id = k.team_id and o.lineage = k.lineage and o.key_id <> k.key_id
        and o.revoked_at is null and (o.expires_at is null or o.expires_at > now()))
  returning k.name, k.scopes, k.lives_for, k.lineage, k.expires_at, k.per_second, k.burst
), new as (
  insert into longshore.api_keys (team_id, key_id, name, digest, scopes, expires_at, lives_for, lineage, per_second, burst)
  select $1, $3, o.name, $4, o.scopes, now() + o.lives_for, o.lives_for, o.lineage, o.per_second, o.burst from old o
  returning name, scopes, expires_at
)
select n.name as "name!", n.scopes as "scopes!", n.expires_at, o.expires_at as "old_expires_at!"
from new n, old o
