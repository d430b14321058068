-- Stores an operator's token, which ends by itself; the digest of its secret, never the secret.
insert into longshore.api_keys (team_id, key_id, name, digest, scopes, expires_at, lives_for, lineage, person)
values ($1, $2, 'operator ' || left($3::text, 91), $4, $5, now() + $6, $6, $2, $3)
returning expires_at as "expires_at!"
