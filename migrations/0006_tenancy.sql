-- Teams and their API keys. A key is shown once; what is stored can't be turned back into it.
set local role longshore_owner;

create table longshore.teams (
  team_id uuid primary key default gen_random_uuid(),
  name text not null unique check (length(btrim(name)) between 1 and 100),
  created_at timestamptz not null default now()
);
call longshore.protect('longshore.teams', 'select');
revoke delete on longshore.teams from longshore_engine;
grant insert on longshore.teams to longshore_operator;
create policy operate on longshore.teams for insert to longshore_operator with check (true);
-- A scheduler finds the teams of the schedules that a configuration declares.
create policy scheduler on longshore.teams for select to longshore_scheduler using (true);
comment on policy scheduler on longshore.teams is 'Wider than a team: a configuration names teams by their names.';
comment on index longshore.teams_name_key is 'Not led by team_id: names of teams are the operators'', and are given once.';

-- The house's own team: owner of maintenance jobs.
alter table longshore.teams no force row level security;
insert into longshore.teams (team_id, name) values ('00000000-0000-0000-0000-000000000001', 'longshore');
alter table longshore.teams force row level security;

create table longshore.api_keys (
  team_id uuid not null references longshore.teams,
  key_id text not null check (key_id ~ '^[a-z0-9]{12}$'),
  name text not null check (length(btrim(name)) between 1 and 100),
  digest bytea not null check (length(digest) = 32), -- SHA-256 of the secret part
  scopes text[] not null check (cardinality(scopes) > 0
    and scopes <@ array['enqueue', 'read', 'cancel', 'dead', 'schedules', 'campaigns', 'lake', 'admin']),
  created_at timestamptz not null default now(),
  lives_for interval,                     -- from its making to its end, which the key that replaces it has too; null: for ever
  expires_at timestamptz,
  revoked_at timestamptz,
  last_used_on date,
  lineage text not null,                  -- the first of the keys that replaced each other: of these, two live at most
  per_second integer check (per_second between 1 and 1000000), -- requests, in all processes; null: as the configuration says
  burst integer check (burst between 1 and 10000000),
  person text check (length(btrim(person)) between 1 and 100), -- set: no key, but the token of an operator who acts for the team
  primary key (team_id, key_id),
  constraint api_keys_rate check ((per_second is null) = (burst is null)),
  constraint api_keys_token_ends check (person is null or coalesce(expires_at <= created_at + interval '24 hours', false))
);
create unique index api_keys_id on longshore.api_keys (key_id);
comment on index longshore.api_keys_id is 'Not led by team_id: the key id is how the team is found.';
create index api_keys_lineage on longshore.api_keys (team_id, lineage);
call longshore.protect('longshore.api_keys', '');
-- Nobody reads digests but find_key.
revoke select on longshore.api_keys from longshore_operator, longshore_auditor;
grant select (team_id, key_id, name, scopes, created_at, lives_for, expires_at, revoked_at, last_used_on, lineage, per_second, burst, person)
  on longshore.api_keys to longshore_operator, longshore_auditor, longshore_api;
grant insert on longshore.api_keys to longshore_operator;
grant update (expires_at, revoked_at) on longshore.api_keys to longshore_operator;
create policy operate on longshore.api_keys to longshore_operator using (true) with check (true);
-- A team handles its own keys over HTTP; only an operator makes an operator's token.
grant insert (team_id, key_id, name, digest, scopes, lives_for, expires_at, lineage, per_second, burst) on longshore.api_keys to longshore_api;
grant update (expires_at, revoked_at) on longshore.api_keys to longshore_api;
grant select on longshore.api_keys to longshore_engine;

-- The engine notes when a key was last used (touch_key).
grant update (last_used_on) on longshore.api_keys to longshore_engine;

reset role;
set local role longshore_engine;

-- Finds the key that a credential names, before any team is known: the one door through which a request gets its team.
-- It answers for ended keys too: whoever proves the secret may hear that the key was revoked or has expired.
create function queue.find_key(wanted text, out team_id uuid, out digest bytea, out scopes text[], out expires_at timestamptz,
  out revoked_at timestamptz, out used_today boolean, out person text, out per_second integer, out burst integer)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select k.team_id, k.digest, k.scopes, k.expires_at, k.revoked_at, coalesce(k.last_used_on = current_date, false), k.person, k.per_second,
    k.burst
  from longshore.api_keys k where k.key_id = wanted
$$;

-- Notes the day a key was last used: no finer, so that a busy key costs one write a day.
create function queue.touch_key(used text) returns void
language sql security definer set search_path = pg_catalog, pg_temp as $$
  update longshore.api_keys set last_used_on = current_date where key_id = used and last_used_on is distinct from current_date
$$;
grant execute on function queue.find_key(text), queue.touch_key(text) to longshore_api;

reset role;
