-- Schedules: set, held, taken away, and their ticks fired, each once.
set local role longshore_engine;

drop function if exists queue.put_schedule(uuid, text, text, jsonb, text, text, text, timestamptz, integer);
-- Creates or changes a schedule; true: it is new. The caller has parsed `cron` and computed the first tick. A pause stays.
-- `declared`: a configuration says so, not a person.
create or replace function queue.put_schedule(team uuid, schedule text, kind text, payload jsonb, cron text, time_zone text, missed text, next_due_at timestamptz,
  catch_up_most integer default 100, declared boolean default false) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  k queue.kinds;
  wrong text;
  was queue.schedules;
begin
  perform queue.guard_team(team);
  select * into k from queue.kinds where kind = put_schedule.kind;
  if not found then
    raise exception 'unknown kind %', quote_literal(left(put_schedule.kind, 64)) using errcode = 'LS001', detail = 'kind';
  end if;
  wrong := queue.problem(k, put_schedule.payload, null, null, null);
  if wrong is not null then perform queue.refuse(wrong); end if;
  insert into queue.schedules as s (name, team_id, kind, payload, cron, time_zone, missed, catch_up_most, next_due_at, declared)
  values (schedule, team, k.kind, put_schedule.payload, put_schedule.cron, put_schedule.time_zone, put_schedule.missed,
    put_schedule.catch_up_most, put_schedule.next_due_at, put_schedule.declared)
  on conflict (team_id, name) do nothing;
  if found then
    perform longshore.audit_deed(team, null, 'schedule.put', 'schedule ' || schedule, null, null,
      queue.schedule_facts(put_schedule.kind, put_schedule.cron, put_schedule.time_zone, put_schedule.missed, put_schedule.catch_up_most));
    return true;
  end if;
  select * into was from queue.schedules s where s.team_id = team and s.name = schedule for update;
  -- One that is the same keeps its next tick.
  update queue.schedules s set kind = k.kind, payload = put_schedule.payload, cron = put_schedule.cron, time_zone = put_schedule.time_zone,
    missed = put_schedule.missed, catch_up_most = put_schedule.catch_up_most, next_due_at = put_schedule.next_due_at, updated_at = now()
  where s.team_id = team and s.name = schedule and (s.kind, s.payload, s.cron, s.time_zone, s.missed, s.catch_up_most) is distinct from
    (k.kind, put_schedule.payload, put_schedule.cron, put_schedule.time_zone, put_schedule.missed, put_schedule.catch_up_most);
  if found then
    perform longshore.audit_deed(team, null, 'schedule.put', 'schedule ' || schedule, null,
      queue.schedule_facts(was.kind, was.cron, was.time_zone, was.missed, was.catch_up_most),
      queue.schedule_facts(k.kind, put_schedule.cron, put_schedule.time_zone, put_schedule.missed, put_schedule.catch_up_most)
        || jsonb_build_object('payload', case when was.payload = put_schedule.payload then 'the same' else 'another' end));
  end if;
  update queue.schedules s set declared = put_schedule.declared
  where s.team_id = team and s.name = schedule and s.declared is distinct from put_schedule.declared;
  return false;
end $$;

-- A schedule as the audit log tells it: without its payload.
create or replace function queue.schedule_facts(kind text, cron text, time_zone text, missed text, catch_up_most integer) returns jsonb
language sql immutable set search_path = pg_catalog, pg_temp as $$
  select jsonb_build_object('kind', kind, 'cron', cron, 'time_zone', time_zone, 'missed', missed, 'catch_up_most', catch_up_most)
$$;

-- Stops a schedule, or lets it go on with the tick that the caller computed. False: the team has no such schedule.
create or replace function queue.hold_schedule(team uuid, schedule text, hold boolean, next_due_at timestamptz default null, reason text default null) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  was queue.schedules;
begin
  perform queue.guard_team(team);
  select * into was from queue.schedules s where s.team_id = team and s.name = schedule for update;
  if not found then return false; end if;
  update queue.schedules s set paused_at = case when hold then coalesce(s.paused_at, now()) end,
    paused_reason = case when hold then reason end,
    next_due_at = case when not hold and s.paused_at is not null then coalesce(hold_schedule.next_due_at, s.next_due_at) else s.next_due_at end,
    updated_at = now()
  where s.team_id = team and s.name = schedule;
  if hold <> (was.paused_at is not null) or hold and was.paused_reason is distinct from reason then
    perform longshore.audit_deed(team, null, case when hold then 'schedule.pause' else 'schedule.resume' end, 'schedule ' || schedule, reason,
      jsonb_build_object('paused', was.paused_at is not null, 'reason', was.paused_reason), jsonb_build_object('paused', hold));
  end if;
  return true;
end $$;

-- Fires one tick: the job and the tick's row commit together, and the row's key lets it happen once.
-- `enqueue_job` false records a tick that the schedule's policy skips. Null: another scheduler fired it.
create or replace function queue.tick(team uuid, schedule text, due timestamptz, next_due timestamptz, enqueue_job boolean) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  s queue.schedules;
  fired bigint;
begin
  perform queue.guard_team(team);
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

-- Enqueues a schedule's job now, whether it is paused or not. Its ticks come as they would have. The same `request` gives the
-- same job for 30 days. No row: the team has no such schedule.
create or replace function queue.run_schedule(team uuid, schedule text, request text default null)
returns table (job_id bigint, deduplicated boolean)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  s queue.schedules;
begin
  perform queue.guard_team(team);
  select * into s from queue.schedules x where x.team_id = team and x.name = schedule for key share;
  if not found then return; end if;
  select e.job_id, e.deduplicated into run_schedule.job_id, run_schedule.deduplicated
  from queue.enqueue(team, s.kind, s.payload, idempotency_key => 'schedule:' || s.name || ':' || request,
    correlation_id => 'schedule:' || s.name || ':now') e;
  if not run_schedule.deduplicated then
    perform longshore.audit_deed(team, null, 'schedule.run', 'schedule ' || schedule, null, null,
      jsonb_build_object('job', run_schedule.job_id));
  end if;
  return next;
end $$;

-- Takes a schedule away; the record of its ticks stays. False: the team has no such schedule.
create or replace function queue.delete_schedule(team uuid, schedule text) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  was queue.schedules;
begin
  perform queue.guard_team(team);
  delete from queue.schedules s where s.team_id = team and s.name = schedule returning * into was;
  if not found then return false; end if;
  perform longshore.audit_deed(team, null, 'schedule.delete', 'schedule ' || schedule, null,
    queue.schedule_facts(was.kind, was.cron, was.time_zone, was.missed, was.catch_up_most), null);
  return true;
end $$;

grant execute on function queue.put_schedule(uuid, text, text, jsonb, text, text, text, timestamptz, integer, boolean) to longshore_operator, longshore_scheduler, longshore_api;
grant execute on function queue.hold_schedule(uuid, text, boolean, timestamptz, text)
  to longshore_operator, longshore_api, longshore_scheduler, longshore_worker;
grant execute on function queue.tick(uuid, text, timestamptz, timestamptz, boolean) to longshore_scheduler;
grant execute on function queue.run_schedule(uuid, text, text), queue.delete_schedule(uuid, text) to longshore_operator, longshore_api;

reset role;
