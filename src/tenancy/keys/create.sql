-- Stores a key: the digest of its secret, never the secret. No row when its time would be over already.
insert into longshore.api_keys (team_id, key_id, name, digest, scopes, expires_at, lives_for, lineage, per_second, burst)
select $1, $2, $3, $4, $5, $6, $6 - now(), $2, $7, $8
where $6::timestamptz is null or $6 > now()
returning key_id
