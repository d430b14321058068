-- What operators and the scheduler do to the queue: dead letters, pauses, schedules, figures.
set local role longshore_engine;

-- Replays one dead letter as a new job with the whole envelope and its lineage. Each dead letter is replayed once.
-- `new_payload` null keeps the payload. The new job passes the same checks as any other.
create function queue.replay(team uuid, job bigint, by text, new_payload jsonb default null, run_at timestamptz default null) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  d queue.dead;
  k queue.kinds;
  new_id bigint := nextval('queue.job_ids');
  wrong text;
begin
  perform queue.guard_team(team);
  select * into d from queue.dead where job_id = job and team_id = team for update;
  if not found then
    raise exception 'job % is not a dead letter of this team', job using errcode = 'LS012', detail = 'job_id';
  end if;
  if d.replayed_at is not null then
    raise exception 'job % was replayed already, as job %', job, d.replayed_as using errcode = 'LS013', detail = 'job_id',
      hint = 'Follow the newer job; if that dies, replay it.';
  end if;
  if d.discarded_at is not null then
    raise exception 'job % was discarded by %', job, d.settled_by using errcode = 'LS013', detail = 'job_id';
  end if;
  select * into k from queue.kinds where kind = d.kind;
  wrong := queue.problem(k, coalesce(new_payload, d.payload), null, replay.run_at, d.priority);
  if wrong is not null then perform queue.refuse(wrong); end if;
  insert into queue.jobs (id, team_id, queue_id, kind, version, priority, max_attempts, payload, correlation_id, replay_of, root_id)
  values (new_id, team, k.queue_id, d.kind, case when new_payload is null then d.version else k.version end, d.priority, k.max_attempts,
    coalesce(new_payload, d.payload), d.correlation_id, d.job_id, coalesce(d.root_id, d.job_id));
  if replay.run_at > now() then
    insert into queue.scheduled (job_id, team_id, run_at, queue_id, kind, priority, attempt, reason)
    values (new_id, team, replay.run_at, k.queue_id, d.kind, d.priority, 0, 'delayed');
  else
    insert into queue.ready (queue_id, team_id, priority, first_job, jobs, kind) values (k.queue_id, team, d.priority, new_id, array[new_id], d.kind);
  end if;
  update queue.dead set replayed_as = new_id, replayed_at = now(), settled_by = by where job_id = job and team_id = team;
  return new_id;
end $$;

-- Gives up one dead letter for good; it stays on record. True when it was open.
create function queue.discard(team uuid, job bigint, by text) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
begin
  perform queue.guard_team(team);
  update queue.dead set discarded_at = now(), settled_by = by
  where job_id = job and team_id = team and replayed_at is null and discarded_at is null;
  return found;
end $$;

-- Stops or restarts claiming from a queue, in every process at once. Running jobs go on. False: no such queue.
create function queue.pause(queue_name text, by text, reason text) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  update queue.queues set paused_at = coalesce(paused_at, now()), paused_by = by, paused_reason = reason where name = queue_name;
  return found;
end $$;

create function queue.resume(queue_name text) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  update queue.queues set paused_at = null, paused_by = null, paused_reason = null where name = queue_name;
  return found;
end $$;

-- Creates or changes a schedule. The caller has parsed `cron` and computed the first tick.
create function queue.put_schedule(team uuid, schedule text, kind text, payload jsonb, cron text, time_zone text, missed text, next_due_at timestamptz) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  k queue.kinds;
  wrong text;
begin
  perform queue.guard_team(team);
  select * into k from queue.kinds where kind = put_schedule.kind;
  if not found then
    raise exception 'unknown kind %', quote_literal(left(put_schedule.kind, 64)) using errcode = 'LS001', detail = 'kind';
  end if;
  wrong := queue.problem(k, put_schedule.payload, null, null, null);
  if wrong is not null then perform queue.refuse(wrong); end if;
  insert into queue.schedules as s (name, team_id, kind, payload, cron, time_zone, missed, next_due_at)
  values (schedule, team, put_schedule.kind, put_schedule.payload, put_schedule.cron, put_schedule.time_zone, put_schedule.missed, put_schedule.next_due_at)
  on conflict (team_id, name) do update set kind = excluded.kind, payload = excluded.payload, cron = excluded.cron,
    time_zone = excluded.time_zone, missed = excluded.missed, next_due_at = excluded.next_due_at, updated_at = now()
  where (s.kind, s.payload, s.cron, s.time_zone, s.missed) is distinct from
    (excluded.kind, excluded.payload, excluded.cron, excluded.time_zone, excluded.missed);
end $$;

-- Stops a schedule, or lets it go on with the tick that the caller computed. False: the team has no such schedule.
create function queue.hold_schedule(team uuid, schedule text, hold boolean, next_due_at timestamptz default null) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform queue.guard_team(team);
  update queue.schedules s set paused_at = case when hold then coalesce(s.paused_at, now()) end,
    next_due_at = case when not hold and s.paused_at is not null then coalesce(hold_schedule.next_due_at, s.next_due_at) else s.next_due_at end,
    updated_at = now()
  where s.team_id = team and s.name = schedule;
  return found;
end $$;

-- Fires one tick: the job and the tick's row commit together, and the row's key lets it happen once.
-- `enqueue_job` false records a tick that the schedule's policy skips. Null: another scheduler fired it.
create function queue.tick(team uuid, schedule text, due timestamptz, next_due timestamptz, enqueue_job boolean) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  s queue.schedules;
  fired bigint;
begin
  select * into s from queue.schedules x where x.team_id = team and x.name = schedule and x.paused_at is null and x.next_due_at = due for update;
  if not found then return null; end if;
  insert into queue.ticks (team_id, schedule, due_at) values (team, tick.schedule, due) on conflict do nothing;
  if found and enqueue_job then
    select e.job_id into fired from queue.enqueue(team, s.kind, s.payload, correlation_id => 'schedule:' || s.name) e;
    update queue.ticks t set job_id = fired where t.team_id = team and t.schedule = tick.schedule and t.due_at = due;
  end if;
  update queue.schedules x set next_due_at = next_due, updated_at = now() where x.team_id = team and x.name = schedule;
  return coalesce(fired, 0);
end $$;

-- Writes the depth of each queue for dashboards. One process at a time; the others return at once.
create function queue.measure() returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if not pg_try_advisory_xact_lock(7203441) then return; end if;
  insert into queue.depths (queue_id, state, jobs, oldest_at, measured_at)
  select q.id, s.state, coalesce(n.jobs, 0), n.oldest, now()
  from queue.queues q
  cross join (values ('ready'), ('scheduled'), ('parked'), ('running'), ('dead')) s(state)
  left join (
    select queue_id, 'ready' as state, sum(cardinality(jobs)) as jobs, min(ready_at) as oldest from queue.ready group by 1
    union all
    select queue_id, 'scheduled', count(*), min(run_at) from queue.scheduled where run_at < 'infinity' group by 1
    union all
    select queue_id, 'parked', count(*), min(since) from queue.scheduled where run_at = 'infinity' group by 1
    union all
    select queue_id, 'running', sum(cardinality(open)), min(claimed_at) from queue.leases group by 1
    union all
    select queue_id, 'dead', count(*), min(died_at) from queue.dead where replayed_at is null and discarded_at is null group by 1
  ) n on n.queue_id = q.id and n.state = s.state
  on conflict (queue_id, state) do update set jobs = excluded.jobs, oldest_at = excluded.oldest_at, measured_at = excluded.measured_at;
end $$;

-- Counts every accepted job in the place where it is; `lost` are those found nowhere, `doubled` those found twice.
-- Reads everything: for tests, the demo and the doctor, not for dashboards.
create function queue.census(team uuid default null)
returns table (accepted bigint, ready bigint, scheduled bigint, parked bigint, running bigint, done bigint, dead bigint, cancelled bigint, lost bigint, doubled bigint)
language sql security definer set search_path = pg_catalog, pg_temp as $$
  with places as (
    select unnest(jobs) as id, 'ready' as place from queue.ready where team is null or team_id = team
    union all select job_id, case when run_at = 'infinity' then 'parked' else 'scheduled' end from queue.scheduled where team is null or team_id = team
    union all select unnest(open), 'running' from queue.leases where team is null or team_id = team
    union all select job_id, case outcome when 1 then 'done' when 3 then 'cancelled' else 'dead' end from queue.outcomes where team is null or team_id = team
  ), found as (select id, min(place) as place, count(*) as times from places group by id)
  select count(*), count(*) filter (where place = 'ready'), count(*) filter (where place = 'scheduled'), count(*) filter (where place = 'parked'),
    count(*) filter (where place = 'running'), count(*) filter (where place = 'done'), count(*) filter (where place = 'dead'),
    count(*) filter (where place = 'cancelled'), count(*) filter (where place is null), count(*) filter (where times > 1)
  from queue.jobs j left join found f on f.id = j.id
  where team is null or j.team_id = team
$$;

-- Forgets idempotency keys whose lifetime is over, and requests to cancel jobs that ended. Returns how many.
create function queue.tidy(most integer default 10000) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  n integer;
  m integer;
begin
  delete from queue.keys k using (
    select team_id, kind, digest from queue.keys where expires_at <= now() order by expires_at limit most for update skip locked
  ) old where k.team_id = old.team_id and k.kind = old.kind and k.digest = old.digest;
  get diagnostics n = row_count;
  delete from queue.cancels c where c.requested_at < now() - interval '1 minute'
    and exists (select from queue.outcomes o where o.job_id = c.job_id and o.team_id = c.team_id);
  get diagnostics m = row_count;
  return n + m;
end $$;

grant execute on function queue.replay(uuid, bigint, text, jsonb, timestamptz), queue.discard(uuid, bigint, text) to longshore_api, longshore_operator;
grant execute on function queue.pause(text, text, text), queue.resume(text) to longshore_operator;
grant execute on function queue.put_schedule(uuid, text, text, jsonb, text, text, text, timestamptz) to longshore_operator, longshore_scheduler, longshore_api;
grant execute on function queue.hold_schedule(uuid, text, boolean, timestamptz)
  to longshore_operator, longshore_api, longshore_scheduler, longshore_worker;
grant execute on function queue.tick(uuid, text, timestamptz, timestamptz, boolean) to longshore_scheduler;
grant execute on function queue.measure() to longshore_scheduler;
grant execute on function queue.tidy(integer) to longshore_scheduler;
grant execute on function queue.census(uuid) to longshore_operator, longshore_auditor;

set local role longshore_owner;
-- Every process asks at its start whether the database is as new as its build.
do $$
begin
  if to_regclass('longshore._migrations') is not null then
    grant select on longshore._migrations to longshore_api, longshore_worker, longshore_scheduler, longshore_operator, longshore_auditor;
  end if;
end $$;
reset role;
set local role longshore_owner;

-- The scheduler asks for due schedules of all teams.
create policy scheduler on queue.schedules for select to longshore_scheduler using (true);

reset role;
