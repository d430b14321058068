-- The queue's tables: immutable work, narrow motion (DESIGN section 3).
-- A job is written once. What moves is narrow: a ready row per chunk, a lease per claimed chunk, an outcome per end.
set local role longshore_owner;

create table queue.queues (
  id smallint generated always as identity primary key,
  name text not null unique check (name ~ '^[a-z][a-z0-9_]{0,62}$'),
  history_days smallint not null default 30 check (history_days between 1 and 3650)
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
  names text[] not null,                 -- those fields' names
  types jsonpath not null,               -- true of a payload whose fields have those types
  flat boolean not null,                 -- no field holds an object or an array, so that nesting needs no look
  keep smallint not null default 30,     -- its queue's history_days, here so that an enqueue reads one row
  capped boolean not null default false, -- some lane of its queue has a cap
  schema jsonb not null,                 -- JSON Schema of the payload, for people and clients
  aliases text[] not null default '{}',  -- earlier names, still run by the same code
  registered_at timestamptz not null default now()
);

comment on table queue.kinds is 'What builds have announced that they run. Not a team''s data.';

create sequence queue.job_ids as bigint;
create sequence queue.fences as bigint;
create sequence queue.batch_ids as bigint;

-- `keep`: the days that its history is kept, from its queue when it was enqueued. Together with the id's range it is the
-- partition, so that each queue's history goes by dropping tables and never row by row.
create table queue.jobs (
  id bigint not null default nextval('queue.job_ids'),
  team_id uuid not null,
  keep smallint not null,
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
  limit_key text,       -- at most `limit_to` jobs of the team with this key run at once
  limit_to integer,
  batch_id bigint,
  chain jsonb,          -- jobs to enqueue one after the other, each when the one before is done
  created_at timestamptz not null default now(),
  primary key (id, team_id, keep)
) partition by list (keep);

-- The jobs that may be claimed. The key is the claim's way: from team to team, then the most urgent and oldest.
-- `special` says that more than its end depends on the job: a limit, a batch, a chain.
create table queue.ready (
  queue_id smallint not null,
  team_id uuid not null,
  kind text not null,
  priority smallint not null,
  first_job bigint not null,
  jobs bigint[] not null,       -- at least one; no constraint: reading it costs each insert as much as half a row
  keep smallint not null,
  attempt smallint not null default 0,   -- attempts already made
  special boolean not null default false,
  limit_key text,
  limit_to integer,
  ready_at timestamptz not null default now(),
  primary key (queue_id, team_id, kind, priority, first_job)
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);

-- Ready jobs whose limit is reached: out of the claim's way until a job with their key ends.
create table queue.blocked (
  team_id uuid not null,
  limit_key text not null,
  priority smallint not null,
  first_job bigint not null,
  jobs bigint[] not null check (cardinality(jobs) > 0),
  queue_id smallint not null,
  kind text not null,
  keep smallint not null,
  attempt smallint not null,
  limit_to integer,
  ready_at timestamptz not null,
  primary key (team_id, limit_key, priority, first_job)
);

-- Jobs that ran in a process which died: one of them may have killed it. They run alone next time, so that it kills
-- nobody else.
create table queue.suspects (
  queue_id smallint not null,
  job_id bigint not null,
  team_id uuid not null,
  kind text not null,
  priority smallint not null,
  keep smallint not null,
  attempt smallint not null,
  special boolean not null,
  limit_key text,
  limit_to integer,
  ready_at timestamptz not null default now(),
  primary key (queue_id, job_id, team_id)
);

create table queue.scheduled (
  job_id bigint not null,
  team_id uuid not null,
  run_at timestamptz not null,           -- infinity: parked until something wakes it
  queue_id smallint not null,
  kind text not null,
  priority smallint not null,
  keep smallint not null,
  attempt smallint not null,
  special boolean not null default false,
  limit_key text,
  limit_to integer,
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
  keep smallint not null,
  attempt smallint not null,             -- the attempt these jobs are in, counted from 1
  special boolean not null default false,
  limit_key text,
  limit_to integer,
  open bigint[] not null,
  claimed_at timestamptz not null default now(),
  primary key (fence, team_id)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);

-- What a lane's limit counts, and a key's.
create index leases_lane on queue.leases (queue_id, team_id);
create index leases_key on queue.leases (team_id, limit_key) where limit_key is not null;

create table queue.outcomes (
  job_id bigint not null,
  team_id uuid not null,
  keep smallint not null,
  fence bigint not null,                 -- 0: it ended without running
  attempt smallint not null,
  outcome smallint not null check (outcome in (1, 2, 3, 4)), -- 1 done, 2 dead, 3 cancelled, 4 discarded after dead
  claimed_at timestamptz,
  finished_at timestamptz not null default now()
) partition by list (keep);

create table queue.outputs (
  job_id bigint not null,
  team_id uuid not null,
  keep smallint not null,
  output jsonb not null,
  primary key (job_id, team_id, keep)
) partition by list (keep);

-- Every attempt that did not succeed.
create table queue.attempts (
  job_id bigint not null,
  team_id uuid not null,
  keep smallint not null,
  attempt smallint not null,
  fence bigint not null,
  boot_id uuid,
  started_at timestamptz,
  ended_at timestamptz not null default now(),
  result text not null check (result in ('retry', 'dead', 'lost', 'cancelled')),
  error text
) partition by list (keep);
create index on queue.attempts (job_id);

-- What is left of history that was dropped: how many jobs of a kind ended how, and which ids they had.
create table queue.tombstones (
  team_id uuid not null,
  day date not null,
  kind text not null,
  outcome smallint not null,
  first_job bigint not null,
  last_job bigint not null,
  jobs bigint not null,
  dropped_at timestamptz not null default now(),
  primary key (team_id, day, kind, outcome, first_job)
);

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
  parent_id bigint,
  root_id bigint,
  replay_of bigint,
  limit_key text,
  limit_to integer,
  batch_id bigint,
  chain jsonb,
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
create index dead_settled on queue.dead (coalesce(replayed_at, discarded_at)) where replayed_at is not null or discarded_at is not null;
create index dead_team on queue.dead (team_id, kind, died_at);

create table queue.keys (
  team_id uuid not null,
  kind text not null,
  digest bytea not null,                 -- SHA-256 of the idempotency key
  body_digest bytea not null,            -- SHA-256 of the payload: the same key with another body is refused
  job_id bigint not null,
  expires_at timestamptz not null,       -- infinity: never, or with the job it names
  while_unfinished boolean not null default false,
  primary key (team_id, kind, digest)
);
create index keys_expired on queue.keys (expires_at) where expires_at < 'infinity';
create index keys_while_unfinished on queue.keys (job_id) where while_unfinished;

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
) partition by range (job_id);

create table queue.progress (
  team_id uuid not null,
  job_id bigint not null,
  done bigint not null default 0,
  total bigint,
  checkpoint jsonb,
  updated_at timestamptz not null default now(),
  primary key (team_id, job_id)
) partition by range (job_id);

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
  catch_up_most integer not null default 100 check (catch_up_most between 1 and 10000), -- ticks made up for at most
  paused_at timestamptz,
  paused_reason text,
  declared boolean not null default false, -- by a configuration
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
create index ticks_fired on queue.ticks (fired_at);

-- What dashboards read: written every few seconds by one process, so that no dashboard counts jobs.
create table queue.depths (
  queue_id smallint not null,
  state text not null check (state in ('ready', 'blocked', 'scheduled', 'parked', 'running', 'dead')),
  jobs bigint not null,
  oldest_at timestamptz,
  measured_at timestamptz not null default now(),
  primary key (queue_id, state)
);

comment on table queue.depths is 'Counts of all teams together. Not a team''s data.';

-- The same for each lane (a team in a queue) that holds something: what a team is shown of its own.
create unlogged table queue.lane_depths (
  team_id uuid not null,
  queue_id smallint not null,
  state text not null check (state in ('ready', 'blocked', 'scheduled', 'parked', 'running', 'dead')),
  jobs bigint not null,
  oldest_at timestamptz,
  primary key (team_id, queue_id, state)
) with (fillfactor = 70);

-- Work that may not be claimed, as long as its row stands: of a team (nil: of every team), in a queue (0: in every queue),
-- of a kind ('': of every kind).
create table queue.pauses (
  team_id uuid not null,
  queue_id smallint not null,
  kind text not null,
  paused_at timestamptz not null default now(),
  paused_by text,
  reason text,
  primary key (team_id, queue_id, kind)
);

-- What is set for a lane (a team in a queue); the row of the nil team is every lane's of that queue that has no own.
create table queue.lanes (
  team_id uuid not null,
  queue_id smallint not null references queue.queues,
  weight smallint check (weight between 1 and 100),      -- its turn in a claim, against other teams'
  running_most integer check (running_most > 0),         -- jobs at once, in all processes
  per_second double precision check (per_second > 0),    -- jobs claimed a second
  burst integer check (burst > 0),                       -- of which so many at once
  unfinished_most bigint check (unfinished_most > 0),    -- waiting and running; one more is refused at the door
  refills_at timestamptz not null default '-infinity',   -- when the rate's bucket is full again (GCRA)
  primary key (team_id, queue_id)
);
create index lanes_capped on queue.lanes (queue_id) where unfinished_most is not null;

-- Rates that handlers ask for by name (`ctx.permit`), shared by all processes. The nil team's hold for every team
-- together: a vendor's account that all share.
create table queue.buckets (
  team_id uuid not null,
  name text not null check (length(name) between 1 and 200),
  per_second double precision not null check (per_second > 0),
  burst integer not null check (burst > 0),
  refills_at timestamptz not null default '-infinity',
  primary key (team_id, name)
) with (fillfactor = 50);

-- How many jobs of a team with a key may run at once, where that differs from what the jobs say.
create table queue.key_limits (
  team_id uuid not null,
  limit_key text not null,
  running_most integer not null check (running_most > 0),
  primary key (team_id, limit_key)
);

-- Unfinished jobs of each lane as last measured: what the cap at the door compares with.
create unlogged table queue.backlogs (
  team_id uuid not null,
  queue_id smallint not null,
  unfinished bigint not null,
  measured_at timestamptz not null,
  primary key (team_id, queue_id)
);

-- Processes that sleep until a queue has work: only for them does an enqueue notify anybody.
create unlogged table queue.sleepers (
  queue_id smallint not null,
  boot_id uuid not null,
  primary key (queue_id, boot_id)
);
comment on table queue.sleepers is 'Who sleeps. Not a team''s data.';

-- Jobs that belong together, and the job that is enqueued when the last of them has ended.
create table queue.batches (
  team_id uuid not null,
  batch_id bigint not null default nextval('queue.batch_ids'),
  then_kind text,
  then_payload jsonb,
  then_limit_key text,
  then_limit_to integer,
  correlation_id text,
  jobs bigint not null default 0,
  done bigint not null default 0,
  dead bigint not null default 0,
  cancelled bigint not null default 0,
  created_at timestamptz not null default now(),
  sealed_at timestamptz,                 -- from then on nothing is added
  ended_at timestamptz,
  then_job bigint,
  primary key (team_id, batch_id)
);
create index batches_ended on queue.batches (ended_at) where ended_at is not null;

create index batches_then on queue.batches (then_job) where then_job is not null;
create index batches_open on queue.batches (batch_id) where sealed_at is not null and ended_at is null;

-- What moved in batches and is not added up yet: appended with each enqueue and each end, so that no two jobs of a batch
-- wait for each other.
create table queue.batch_moves (
  team_id uuid not null,
  batch_id bigint not null,
  jobs integer not null default 0,
  done integer not null default 0,
  dead integer not null default 0,
  cancelled integer not null default 0
);

call longshore.protect('queue.jobs', 'select');
call longshore.protect('queue.ready', 'select');
call longshore.protect('queue.blocked', 'select');
call longshore.protect('queue.suspects', 'select');
call longshore.protect('queue.tombstones', 'select');
call longshore.protect('queue.pauses', 'select');
call longshore.protect('queue.lanes', 'select');
call longshore.protect('queue.buckets', 'select');
call longshore.protect('queue.key_limits', 'select');
call longshore.protect('queue.backlogs', 'select');
call longshore.protect('queue.lane_depths', 'select');
call longshore.protect('queue.batches', 'select');
call longshore.protect('queue.batch_moves', '');
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
-- What drops old history reads it first.
create policy upkeep on queue.jobs to longshore_owner using (true) with check (true);
create policy upkeep on queue.outcomes to longshore_owner using (true) with check (true);
create policy upkeep on queue.outputs to longshore_owner using (true) with check (true);
create policy upkeep on queue.attempts to longshore_owner using (true) with check (true);
create policy upkeep on queue.tombstones to longshore_owner using (true) with check (true);
-- The scheduler asks for due schedules of all teams.
create policy scheduler on queue.schedules for select to longshore_scheduler using (true);
comment on policy scheduler on queue.schedules is 'Wider than a team: one scheduler fires the due schedules of all.';
-- And for the pauses that it shows.
create policy scheduler on queue.pauses for select to longshore_scheduler using (true);
comment on policy scheduler on queue.pauses is 'Wider than a team: the scheduler publishes which work is paused.';
grant select on queue.queues, queue.kinds, queue.processes, queue.depths, queue.sleepers
  to longshore_api, longshore_worker, longshore_scheduler, longshore_operator, longshore_auditor;
grant select on queue.job_ids to longshore_operator, longshore_auditor, longshore_scheduler;

reset role;
