-- Webhooks to a team's own servers (docs/WEBHOOKS.md): where to, signed with what, and what became of each delivery.
set local role longshore_owner;

create table longshore.webhook_endpoints (
  team_id uuid not null references longshore.teams on delete cascade,
  endpoint_id bigint generated always as identity,
  url text not null check (length(url) between 1 and 2048),
  description text not null default '' check (length(description) <= 200),
  -- Which names there are, a build knows (workers/webhooks/events.rs).
  events text[] not null check (cardinality(events) between 1 and 50),
  kinds text[] check (cardinality(kinds) between 1 and 50), -- of job events only those of jobs of these kinds; null: all
  -- What a claim asks, so that jobs of which nobody wants to hear go the cheap way.
  of_jobs boolean not null generated always as (events && array['job.done', 'job.dead', 'job.cancelled']) stored,
  failing_since timestamptz,             -- nothing has been taken since
  disabled_at timestamptz,
  disabled_reason text check (length(disabled_reason) <= 500),
  created_at timestamptz not null default now(),
  changed_at timestamptz not null default now(),
  primary key (team_id, endpoint_id),
  check ((disabled_at is null) = (disabled_reason is null))
);
create index webhook_endpoints_of_jobs on longshore.webhook_endpoints (team_id) where of_jobs and disabled_at is null;
-- Some team has such an endpoint. Here because every claim reads this row anyway: where nobody has one it costs nothing.
alter table queue.queues add column watched boolean not null default false;
call longshore.protect('longshore.webhook_endpoints', 'select, insert, update, delete');
grant select on longshore.webhook_endpoints to longshore_engine;

-- What deliveries are signed with, sealed (decision 9). The highest number is the newest; an older one signs beside it until
-- its time is over.
create table longshore.webhook_secrets (
  team_id uuid not null,
  endpoint_id bigint not null,
  number integer not null check (number > 0),
  sealed bytea not null check (octet_length(sealed) between 34 and 8192),
  created_at timestamptz not null default now(),
  expires_at timestamptz,
  primary key (team_id, endpoint_id, number),
  foreign key (team_id, endpoint_id) references longshore.webhook_endpoints on delete cascade
);
call longshore.protect('longshore.webhook_secrets', 'select, insert, update, delete');

-- One event for one endpoint, written with what it tells of. Its job carries this id alone: nobody who may enqueue can have
-- something signed that did not happen.
create sequence longshore.webhook_delivery_ids as bigint;
create table longshore.webhook_deliveries (
  team_id uuid not null references longshore.teams on delete cascade,
  delivery_id bigint not null default nextval('longshore.webhook_delivery_ids'),
  endpoint_id bigint not null,           -- no foreign key: what was delivered outlives the endpoint
  event_id text not null check (event_id ~ '^evt_[0-9a-f]{32}$'),
  event text not null check (event ~ '^[a-z_]+\.[a-z_]+$'),
  data jsonb not null check (jsonb_typeof(data) = 'object' and octet_length(data::text) <= 65000),
  job_id bigint not null,                -- the last one that was to deliver it
  state text not null default 'waiting' check (state in ('waiting', 'delivered', 'failed', 'skipped', 'cancelled')),
  attempts integer not null default 0,
  status smallint,                       -- the last answer's
  problem text check (length(problem) <= 500),
  tried_at timestamptz,
  created_at timestamptz not null default now(),
  ended_at timestamptz,
  primary key (team_id, delivery_id),
  check ((state = 'waiting') = (ended_at is null))
) with (fillfactor = 80);
create index webhook_deliveries_endpoint on longshore.webhook_deliveries (team_id, endpoint_id, delivery_id desc);
create index webhook_deliveries_waiting on longshore.webhook_deliveries (team_id, endpoint_id) where ended_at is null;
create index webhook_deliveries_ended on longshore.webhook_deliveries (ended_at) where ended_at is not null;
call longshore.protect('longshore.webhook_deliveries', 'select');
-- A worker notes what came of a try. What is told, and to whom, nobody changes behind the event: it is signed in our name.
grant update (job_id, state, attempts, status, problem, tried_at, ended_at) on longshore.webhook_deliveries to longshore_worker;
grant select, insert, update, delete on longshore.webhook_deliveries to longshore_engine;
grant usage on longshore.webhook_delivery_ids to longshore_engine;

reset role;
set local role longshore_engine;

-- Messages tell of themselves here, so that no statement that changes one can forget it. What is told stands in
-- functions/53_webhooks.sql.
create function longshore.message_changed() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform longshore.tell_message(new);
  return null;
end $$;
create function longshore.text_received() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform longshore.tell_text(new);
  return null;
end $$;
create function longshore.endpoints_changed() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform longshore.watch_queues();
  return null;
end $$;
grant execute on function longshore.message_changed(), longshore.text_received(), longshore.endpoints_changed() to longshore_owner;

reset role;
set local role longshore_owner;

create trigger watched after insert or update of events, disabled_at or delete on longshore.webhook_endpoints
  for each statement execute function longshore.endpoints_changed();
create trigger told after update on longshore.messages for each row
  when (old.state is distinct from new.state and new.state in ('accepted', 'delivered', 'failed', 'suppressed', 'unknown'))
  execute function longshore.message_changed();
-- A message that is refused when it would be planned.
create trigger told_at_once after insert on longshore.messages for each row
  when (new.state = 'suppressed') execute function longshore.message_changed();
create trigger told after insert on longshore.inbox for each row execute function longshore.text_received();

reset role;
