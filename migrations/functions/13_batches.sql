-- Batches: jobs that belong together, and the job behind the last of them.
set local role longshore_engine;

-- Counts jobs that join a batch; the batch stays open until the caller's transaction ends.
create or replace function queue.join_batch(team uuid, batch bigint, n integer) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  sealed timestamptz;
begin
  select b.sealed_at into sealed from queue.batches b where b.team_id = team and b.batch_id = batch for key share;
  if not found then
    raise exception 'batch % is not known', batch using errcode = 'LS014', detail = 'batch_id', hint = 'Open one with queue.open_batch.';
  end if;
  if sealed is not null then
    raise exception 'batch % was sealed', batch using errcode = 'LS014', detail = 'batch_id', hint = 'Open another one: a sealed batch takes no more jobs.';
  end if;
  insert into queue.batch_moves (team_id, batch_id, jobs) values (team, batch, n);
end $$;

-- Opens a batch. When it is sealed and the last of its jobs has ended, `then_kind` is enqueued with `then_payload`.
create or replace function queue.open_batch(team uuid, then_kind text default null, then_payload jsonb default null, correlation_id text default null,
  then_limit_key text default null, then_limit_to integer default null) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_variable
declare
  k queue.kinds;
  opened bigint;
begin
  perform queue.guard_team(team);
  if then_kind is not null then
    select x.* into k from queue.kinds x where x.kind = then_kind;
    if not found then perform queue.refuse(queue.unknown_kind(then_kind)); end if;
    perform queue.refuse(x) from coalesce(queue.problem(k, then_payload, null, null, null),
      queue.wrong_option('period', 'first', then_limit_key, then_limit_to)) x where x is not null;
  end if;
  insert into queue.batches (team_id, then_kind, then_payload, then_limit_key, then_limit_to, correlation_id)
  values (team, k.kind, then_payload, then_limit_key, then_limit_to, left(correlation_id, 128))
  returning batch_id into opened;
  return opened;
end $$;

-- Says that a batch is complete: nothing more is added. False: there is no such batch, or it was sealed before.
create or replace function queue.seal_batch(team uuid, batch bigint) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform queue.guard_team(team);
  perform from queue.batches b where b.team_id = team and b.batch_id = batch and b.sealed_at is null for update;
  update queue.batches b set sealed_at = now() where b.team_id = team and b.batch_id = batch and b.sealed_at is null;
  return found;
end $$;

-- Adds up what moved in batches, and enqueues the job behind each that has ended. One process at a time; the others
-- return at once. Returns how many ended.
create or replace function queue.fold_batches(most integer default 10000) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  b queue.batches;
  next bigint;
  n integer := 0;
begin
  if not pg_try_advisory_xact_lock(7203442) then return 0; end if;
  if exists (select from queue.batch_moves) then
    with moved as (
      delete from queue.batch_moves m where m.ctid = any (array(select x.ctid from queue.batch_moves x limit most))
      returning m.*
    ), sums as (
      select team_id, batch_id, sum(jobs) as jobs, sum(done) as done, sum(dead) as dead, sum(cancelled) as cancelled
      from moved group by team_id, batch_id
    )
    update queue.batches x set jobs = x.jobs + s.jobs, done = x.done + s.done, dead = x.dead + s.dead, cancelled = x.cancelled + s.cancelled
    from sums s where x.team_id = s.team_id and x.batch_id = s.batch_id;
  end if;
  for b in
    select * from queue.batches x
    where x.sealed_at is not null and x.ended_at is null and x.jobs = x.done + x.dead + x.cancelled
      and not exists (select from queue.batch_moves m where m.team_id = x.team_id and m.batch_id = x.batch_id)
    for update skip locked
  loop
    n := n + 1;
    next := case when b.then_kind is not null then
      queue.follow(b.team_id, jsonb_build_object('kind', b.then_kind, 'payload', b.then_payload, 'limit_key', b.then_limit_key,
        'limit_to', b.then_limit_to), b.correlation_id) end;
    update queue.batches x set ended_at = now(), then_job = next where x.team_id = b.team_id and x.batch_id = b.batch_id;
    perform longshore.batch_ended(b, next);
  end loop;
  return n;
end $$;

grant execute on function queue.open_batch(uuid, text, jsonb, text, text, integer), queue.seal_batch(uuid, bigint) to longshore_producer;
grant execute on function queue.fold_batches(integer) to longshore_worker, longshore_scheduler;

reset role;
