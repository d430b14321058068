-- What is known of the key that a credential names; no row when there is none (migration 0006 holds the contract).
select team_id as "team_id!", digest as "digest!", scopes as "scopes!", expires_at, revoked_at, used_today as "used_today!", person,
  per_second, burst
from queue.find_key($1)
where team_id is not null
