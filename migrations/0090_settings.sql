-- What a team has set: values, secrets under a key of its own, and the features it gets.
set local role longshore_owner;
-- The functions that cross teams are created in the engine's name.
grant create on schema longshore to longshore_engine;

-- The keys that a team's secrets lie under, each wrapped by a key of the configured keyring (decision 9). Without its row no
-- secret under it can be opened again, so deleting a team shreds its secrets.
create table longshore.data_keys (
  team_id uuid not null references longshore.teams on delete cascade,
  number integer not null check (number > 0),            -- the highest is the one that new secrets are sealed with
  master_key text not null check (length(master_key) between 1 and 32), -- the key of the keyring that wraps it now
  born_under text not null,                              -- and the one that wrapped it first
  nonce bytea not null check (octet_length(nonce) = 12),
  wrapped bytea not null check (octet_length(wrapped) = 48), -- 256 bits and their tag
  created_at timestamptz not null default now(),
  wrapped_at timestamptz not null default now(),
  primary key (team_id, number)
);
create index data_keys_master on longshore.data_keys (master_key, team_id, number);
call longshore.protect('longshore.data_keys', 'select, insert');
grant select, update on longshore.data_keys to longshore_engine;

-- A number that every change of a setting takes anew: what an editor saw is told from what stands, also when a setting was
-- taken away and set again in between.
create sequence longshore.setting_versions as bigint;
comment on sequence longshore.setting_versions is 'Tenants draw from it: it tells how often settings change, and nothing else.';
grant usage on sequence longshore.setting_versions to longshore_api, longshore_worker, longshore_scheduler, longshore_operator;

-- What a team has set. Which names there are, their types and bounds, a build knows (workers/settings/catalogue.rs).
create table longshore.team_settings (
  team_id uuid not null references longshore.teams on delete cascade,
  name text not null check (name ~ '^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*$' and length(name) <= 100),
  value jsonb check (jsonb_typeof(value) in ('string', 'number', 'boolean', 'array') and octet_length(value::text) <= 8192),
  secret bytea check (octet_length(secret) between 34 and 8192), -- sealed under one of the team's data keys
  shown text check (length(shown) <= 20),                -- as much of a secret as may be seen
  version bigint not null default nextval('longshore.setting_versions'),
  updated_at timestamptz not null default now(),
  updated_by text not null check (length(updated_by) <= 200),
  primary key (team_id, name),
  constraint team_settings_one_kind check (num_nonnulls(value, secret) = 1 and (secret is null) = (shown is null))
);
call longshore.protect('longshore.team_settings', 'select, insert, update, delete');

-- Features that some teams get before others. A team's bucket, 0 to 99, follows from the flag's name and the team's id alone.
create table longshore.flags (
  name text primary key check (name ~ '^[a-z][a-z0-9_]{0,62}$'),
  description text not null check (length(btrim(description)) between 1 and 500),
  default_on boolean not null default false,             -- where neither an override nor a share says otherwise
  percent smallint check (percent between 0 and 100),    -- on for the teams with a bucket below it, off for the others
  kind text references queue.kinds,                      -- jobs of this kind wait where the flag is off
  updated_at timestamptz not null default now(),
  updated_by text not null check (length(updated_by) <= 200)
);
comment on table longshore.flags is 'What there is to be switched. Not a team''s data.';
create unique index flags_kind on longshore.flags (kind) where kind is not null;
grant select on longshore.flags to longshore_api, longshore_worker, longshore_scheduler, longshore_operator, longshore_auditor;
grant select, insert, update, delete on longshore.flags to longshore_engine;

-- Teams for which a flag is on or off whatever its share.
create table longshore.flag_overrides (
  team_id uuid not null references longshore.teams on delete cascade,
  flag text not null references longshore.flags on delete cascade,
  is_on boolean not null,
  updated_at timestamptz not null default now(),
  updated_by text not null check (length(updated_by) <= 200),
  primary key (team_id, flag)
);
create index flag_overrides_flag on longshore.flag_overrides (flag);
call longshore.protect('longshore.flag_overrides', 'select');
grant select, insert, update, delete on longshore.flag_overrides to longshore_engine;

reset role;
