-- The queue's tables: immutable work, narrow motion (DESIGN section 3).
-- A job is written once. What moves is narrow: a ready row per chunk, a lease per claimed chunk, an outcome per end.
set local role longshore_owner;

create table queue.queues (
  id smallint generated always as identity primary key,
  name text not null unique check (name ~ '^[a-z][a-z0-9_]{0,62}$'),
  paused_at timestamptz,
  paused_by text,
  paused_reason text
);
comment on table queue.queues is 'One row a queue. Not a team''s data.';

-- What every build of the fleet has announced that it can run; enqueue checks against it.
create table queue.kinds (
  kind text primary key check (kind ~ '^[a-z][a-z0-9_]{0,62}$'),
  queue_id smallint not null references queue.queues,
  version smallint not null check (version > 0),
  priority smallint not null,
  max_attempts smallint not null check (max_attempts between 1 and 100),
  timeout interval not null,
  price bigint not null default 0,       -- credits that one run may cost, the worst case
  required text[] not null,              -- payload fields that must be there
  fields jsonb not null,                 -- field -> the JSON types it may have
  schema jsonb not null,                 -- JSON Schema of the payload, for people and clients
  aliases text[] not null default '{}',  -- earlier names, still run by the same code
  registered_at timestamptz not null default now()
);

create sequence queue.job_ids as bigint;
create sequence queue.fences as bigint;

create table queue.jobs (
  id bigint not null default nextval('queue.job_ids'),
  team_id uuid not null,
  queue_id smallint not null,
  kind text not null,
  version smallint not null,
  priority smallint not null,
  max_attempts smallint not null,
  payload jsonb not null,
  key_digest bytea,
  correlation_id text,
  parent_id bigint,     -- the job whose handler enqueued this one
  replay_of bigint,     -- the dead letter this job repeats
  root_id bigint,       -- the first job of that lineage
  created_at timestamptz not null default now(),
  primary key (id, team_id)
) partition by range (id);

create table queue.ready (
  queue_id smallint not null,
  team_id uuid not null,
  priority smallint not null,
  first_job bigint not null,
  jobs bigint[] not null check (cardinality(jobs) > 0),
  kind text not null,
  attempt smallint not null default 0,   -- attempts already made
  ready_at timestamptz not null default now(),
  primary key (queue_id, team_id, priority, first_job)
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);

create table queue.scheduled (
  job_id bigint not null,
  team_id uuid not null,
  run_at timestamptz not null,           -- infinity: parked until something wakes it
  queue_id smallint not null,
  kind text not null,
  priority smallint not null,
  attempt smallint not null,
  reason text not null check (reason in ('delayed', 'retry', 'snoozed', 'unknown', 'parked')),
  detail text,
  since timestamptz not null default now(),
  primary key (job_id, team_id)
) with (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);
create index scheduled_due on queue.scheduled (run_at);
create index scheduled_parked on queue.scheduled (team_id, detail) where run_at = 'infinity';

create table queue.leases (
  fence bigint not null default nextval('queue.fences'),
  team_id uuid not null,
  queue_id smallint not null,
  priority smallint not null,
  kind text not null,
  boot_id uuid not null,
  attempt smallint not null,             -- the attempt these jobs are in, counted from 1
  open bigint[] not null,
  claimed_at timestamptz not null default now(),
  primary key (fence, team_id)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);

create table queue.outcomes (
  job_id bigint not null,
  team_id uuid not null,
  fence bigint not null,                 -- 0: it ended without running
  attempt smallint not null,
  outcome smallint not null check (outcome in (1, 2, 3, 4)), -- 1 done, 2 dead, 3 cancelled, 4 discarded after dead
  claimed_at timestamptz,
  finished_at timestamptz not null default now()
) partition by range (job_id);

create table queue.outputs (
  job_id bigint not null,
  team_id uuid not null,
  output jsonb not null,
  primary key (job_id, team_id)
) partition by range (job_id);

-- Every attempt that did not succeed.
create table queue.attempts (
  job_id bigint not null,
  team_id uuid not null,
  attempt smallint not null,
  fence bigint not null,
  boot_id uuid,
  started_at timestamptz,
  ended_at timestamptz not null default now(),
  result text not null check (result in ('retry', 'dead', 'lost', 'cancelled')),
  error text
) partition by range (job_id);
create index on queue.attempts (job_id);

create table queue.dead (
  job_id bigint not null,
  team_id uuid not null,
  queue_id smallint not null,
  kind text not null,
  version smallint not null,
  priority smallint not null,
  max_attempts smallint not null,
  payload jsonb not null,
  correlation_id text,
  root_id bigint,
  replay_of bigint,
  created_at timestamptz not null,
  died_at timestamptz not null default now(),
  attempts smallint not null,
  error text not null,                   -- the last one
  errors jsonb not null,                 -- all, oldest first
  replayed_as bigint,
  replayed_at timestamptz,
  discarded_at timestamptz,
  settled_by text,                       -- who replayed or discarded it
  primary key (job_id, team_id)
);
create index dead_open on queue.dead (died_at, job_id) where replayed_at is null and discarded_at is null;
create index dead_team on queue.dead (team_id, kind, died_at);

create table queue.keys (
  team_id uuid not null,
  kind text not null,
  digest bytea not null,                 -- SHA-256 of the idempotency key
  body_digest bytea not null,            -- SHA-256 of the payload: the same key with another body is refused
  job_id bigint not null,
  expires_at timestamptz not null,
  primary key (team_id, kind, digest)
);
create index keys_expired on queue.keys (expires_at);

create table queue.cancels (
  job_id bigint not null,
  team_id uuid not null,
  requested_at timestamptz not null default now(),
  requested_by text,
  primary key (job_id, team_id)
);

create table queue.steps (
  team_id uuid not null,
  job_id bigint not null,
  name text not null check (length(name) between 1 and 100),
  result jsonb not null,
  recorded_at timestamptz not null default now(),
  primary key (team_id, job_id, name)
);

create table queue.progress (
  team_id uuid not null,
  job_id bigint not null,
  done bigint not null default 0,
  total bigint,
  checkpoint jsonb,
  updated_at timestamptz not null default now(),
  primary key (team_id, job_id)
);

create table queue.processes (
  boot_id uuid primary key,
  role text not null,
  host text not null,
  pid integer not null,
  build text not null,
  queues text[] not null,
  slots integer not null,
  started_at timestamptz not null default now(),
  beat_at timestamptz not null default now(),
  expires_at timestamptz not null
);
comment on table queue.processes is 'One heartbeat a process. Not a team''s data.';

create table queue.schedules (
  name text not null check (name ~ '^[a-z][a-z0-9_.-]{0,99}$'),
  team_id uuid not null,
  kind text not null,
  payload jsonb not null,
  cron text not null,
  time_zone text not null default 'UTC',
  missed text not null default 'run_once' check (missed in ('skip', 'run_once', 'catch_up')),
  paused_at timestamptz,
  next_due_at timestamptz not null,
  updated_at timestamptz not null default now(),
  primary key (team_id, name)
);
create index schedules_due on queue.schedules (next_due_at) where paused_at is null;

-- A tick is a row: its key is why it fires once, whatever the number of schedulers.
create table queue.ticks (
  team_id uuid not null,
  schedule text not null,
  due_at timestamptz not null,
  fired_at timestamptz not null default now(),
  job_id bigint,                         -- null: skipped by the schedule's policy
  primary key (team_id, schedule, due_at)
);

-- What dashboards read: written every few seconds by one process, so that no dashboard counts jobs.
create table queue.depths (
  queue_id smallint not null,
  state text not null check (state in ('ready', 'scheduled', 'parked', 'running', 'dead')),
  jobs bigint not null,
  oldest_at timestamptz,
  measured_at timestamptz not null default now(),
  primary key (queue_id, state)
);

-- Makes sure that ids up to `ahead` beyond the newest job have a partition. Width: 10 million ids.
create function queue.ensure_partitions(ahead bigint default 30000000) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  width constant bigint := 10000000;
  newest bigint;
  low bigint;
  made integer := 0;
  parent text;
begin
  select coalesce(last_value, 0) into newest from queue.job_ids;
  low := (newest / width) * width;
  while low <= newest + ahead loop
    foreach parent in array array['jobs', 'outcomes', 'outputs', 'attempts'] loop
      if to_regclass(format('queue.%I', parent || '_' || (low / width))) is null then
        execute format('create table queue.%I partition of queue.%I for values from (%s) to (%s)',
          parent || '_' || (low / width), parent, low, low + width);
        execute format('alter table queue.%I enable row level security', parent || '_' || (low / width));
        execute format('alter table queue.%I force row level security', parent || '_' || (low / width));
        if parent = 'outcomes' then
          execute format('create index on queue.%I using brin (job_id) with (pages_per_range = 16)', 'outcomes_' || (low / width));
        end if;
        made := made + 1;
      end if;
    end loop;
    low := low + width;
  end loop;
  return made;
end $$;
select queue.ensure_partitions();
grant execute on function queue.ensure_partitions(bigint) to longshore_scheduler, longshore_migrator;

call longshore.protect('queue.jobs', 'select');
call longshore.protect('queue.ready', 'select');
call longshore.protect('queue.scheduled', 'select');
call longshore.protect('queue.leases', 'select');
call longshore.protect('queue.outcomes', 'select');
call longshore.protect('queue.outputs', 'select');
call longshore.protect('queue.attempts', 'select');
call longshore.protect('queue.dead', 'select');
call longshore.protect('queue.keys', 'select');
call longshore.protect('queue.cancels', 'select');
call longshore.protect('queue.steps', 'select, insert');
call longshore.protect('queue.progress', 'select, insert, update');
call longshore.protect('queue.schedules', 'select');
call longshore.protect('queue.ticks', 'select');

grant select, insert, update, delete on all tables in schema queue to longshore_engine;
grant usage, select on all sequences in schema queue to longshore_engine;
grant select on queue.queues, queue.kinds, queue.processes, queue.depths
  to longshore_api, longshore_worker, longshore_scheduler, longshore_operator, longshore_auditor;
grant select on queue.job_ids to longshore_operator, longshore_auditor, longshore_scheduler;

reset role;
