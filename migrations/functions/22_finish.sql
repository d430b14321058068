-- Finishing: one row is the whole truth about who may finish what, queue.leases with its fence and its open set.
set local role longshore_engine;

-- Takes the locks of the limits that leases count against. Always before the rows of the leases, and in this order, so that
-- nobody who finishes waits for somebody who finishes.
create or replace function queue.lock_limits(boot uuid, fences bigint[]) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  perform pg_advisory_xact_lock(x.key) from (
    select distinct queue.limit_lock(l.team_id, l.limit_key) as key from queue.leases l
    where l.fence = any (fences) and l.boot_id = boot and l.limit_key is not null order by 1
  ) x;
end $$;

-- Takes one job out of its lease; null when this process no longer holds it under that fence.
create or replace function queue.release(boot uuid, f bigint, job bigint) returns queue.leases
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  held queue.leases;
begin
  -- Not `for update`: that would clash with the key share that every fenced transaction of the lease holds, and two of
  -- them that complete side by side would deadlock. The row goes only with its last open job, which is ours.
  select * into held from queue.leases l where l.fence = f and l.boot_id = boot and job = any (l.open) for no key update;
  if not found then return null; end if;
  if cardinality(held.open) = 1 then
    delete from queue.leases l where l.fence = f and l.team_id = held.team_id;
  else
    update queue.leases l set open = array_remove(l.open, job) where l.fence = f and l.team_id = held.team_id;
  end if;
  return held;
end $$;

-- What else depends on the end of a job that was just taken out of its lease: the next with its key, its batch, its
-- chain, who is told of it.
-- `outcome` null: it did not end, but its place is free.
create or replace function queue.after_release(held queue.leases, job bigint, outcome smallint) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  j queue.jobs;
begin
  if held.limit_key is not null then perform queue.unblock(held.team_id, held.limit_key); end if;
  if outcome is null then return; end if;
  select * into j from queue.jobs x where x.id = job and x.team_id = held.team_id and x.keep = held.keep;
  if j.batch_id is not null then
    insert into queue.batch_moves (team_id, batch_id, done, dead, cancelled)
    values (j.team_id, j.batch_id, (outcome = 1)::integer, (outcome = 2)::integer, (outcome = 3)::integer);
  end if;
  if j.chain is not null and outcome = 1 then
    perform queue.follow(j.team_id, j.chain -> 0, j.correlation_id, j.id, nullif(j.chain - 0, '[]'));
  end if;
  perform longshore.job_ended(j, outcome, held.attempt);
end $$;

-- Makes blocked jobs ready for which there is room now. Under the lock of their limit, so that no claim sets one aside
-- unseen at the same moment.
create or replace function queue.unblock(team uuid, key text) returns integer
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  b queue.blocked;
  free integer;
  n integer := 0;
begin
  perform pg_advisory_xact_lock(queue.limit_lock(team, key));
  loop
    select * into b from queue.blocked x where x.team_id = team and x.limit_key = key order by x.priority, x.first_job limit 1 for update;
    exit when not found;
    free := least(cardinality(b.jobs), queue.key_limit(team, key, b.limit_to) - queue.running_with_key(team, key) - n);
    exit when free < 1;
    delete from queue.blocked x where x.team_id = team and x.limit_key = key and x.priority = b.priority and x.first_job = b.first_job;
    insert into queue.ready (queue_id, team_id, kind, priority, first_job, jobs, keep, attempt, special, limit_key, limit_to, ready_at)
    values (b.queue_id, team, b.kind, b.priority, b.first_job, b.jobs[:free], b.keep, b.attempt, true, key, b.limit_to, b.ready_at);
    if free < cardinality(b.jobs) then
      insert into queue.blocked (team_id, limit_key, priority, first_job, jobs, queue_id, kind, keep, attempt, limit_to, ready_at)
      values (team, key, b.priority, b.jobs[free + 1], b.jobs[free + 1:], b.queue_id, b.kind, b.keep, b.attempt, b.limit_to, b.ready_at);
    end if;
    n := n + free;
    if exists (select from queue.sleepers s where s.queue_id = b.queue_id) then perform pg_notify('longshore_' || b.queue_id, ''); end if;
  end loop;
  return n;
end $$;

-- Looks once at every key that has blocked jobs: for limits that were raised. Returns how many jobs became ready.
create or replace function queue.unblock_all(most integer default 1000) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  n integer := 0;
  one record;
begin
  for one in select distinct b.team_id, b.limit_key from queue.blocked b limit most loop
    n := n + queue.unblock(one.team_id, one.limit_key);
  end loop;
  return n;
end $$;

-- Moves a job to the dead letters, whole: payload, every attempt's error, lineage.
create or replace function queue.bury(job bigint, team uuid, keep smallint, f bigint, made smallint, claimed timestamptz, last_error text) returns void
language sql set search_path = pg_catalog, pg_temp as $$
  insert into queue.dead (job_id, team_id, queue_id, kind, version, priority, max_attempts, payload, correlation_id, parent_id, root_id, replay_of,
    limit_key, limit_to, batch_id, chain, created_at, attempts, error, errors)
  select j.id, j.team_id, j.queue_id, j.kind, j.version, j.priority, j.max_attempts, j.payload, j.correlation_id, j.parent_id, j.root_id, j.replay_of,
    j.limit_key, j.limit_to, j.batch_id, j.chain, j.created_at, made, last_error,
    coalesce((select jsonb_agg(jsonb_build_object('attempt', a.attempt, 'result', a.result, 'error', a.error,
        'started_at', a.started_at, 'ended_at', a.ended_at, 'process', a.boot_id) order by a.ended_at, a.attempt)
      from queue.attempts a where a.job_id = j.id and a.team_id = j.team_id), '[]')
  from queue.jobs j where j.id = job and j.team_id = team;
  insert into queue.outcomes (job_id, team_id, keep, fence, attempt, outcome, claimed_at) values (job, team, keep, f, made, 2, claimed);
$$;

-- Settles one job by its verdict: done, retry, snoozed, unknown, parked, dead, cancelled, released (handed back unrun;
-- burns no attempt). Null when it was fenced.
create or replace function queue.settle_one(boot uuid, f bigint, job bigint, verdict text, delay interval, detail text, output jsonb) returns bigint
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  held queue.leases := queue.release(boot, f, job);
begin
  if held is null then return null; end if;
  if verdict in ('retry', 'dead', 'cancelled') then
    insert into queue.attempts (job_id, team_id, keep, attempt, fence, boot_id, started_at, result, error)
    values (job, held.team_id, held.keep, held.attempt, f, boot, held.claimed_at, verdict, detail);
  end if;
  case verdict
    when 'done' then
      insert into queue.outcomes (job_id, team_id, keep, fence, attempt, outcome, claimed_at)
      values (job, held.team_id, held.keep, f, held.attempt, 1, held.claimed_at);
      if output is not null then
        insert into queue.outputs (job_id, team_id, keep, output) values (job, held.team_id, held.keep, output);
      end if;
    when 'dead' then
      perform queue.bury(job, held.team_id, held.keep, f, held.attempt, held.claimed_at, coalesce(detail, 'no reason given'));
    when 'cancelled' then
      insert into queue.outcomes (job_id, team_id, keep, fence, attempt, outcome, claimed_at)
      values (job, held.team_id, held.keep, f, held.attempt, 3, held.claimed_at);
      delete from queue.cancels c where c.job_id = job and c.team_id = held.team_id;
    when 'released' then
      insert into queue.ready (queue_id, team_id, kind, priority, first_job, jobs, keep, attempt, special, limit_key, limit_to)
      values (held.queue_id, held.team_id, held.kind, held.priority, job, array[job], held.keep, held.attempt - 1,
        held.special, held.limit_key, held.limit_to);
    else
      insert into queue.scheduled (job_id, team_id, run_at, queue_id, kind, priority, keep, attempt, special, limit_key, limit_to, reason, detail)
      values (job, held.team_id, case when verdict = 'parked' then 'infinity' else now() + coalesce(delay, interval '0') end,
        held.queue_id, held.kind, held.priority, held.keep, case when verdict = 'retry' then held.attempt else held.attempt - 1 end,
        held.special, held.limit_key, held.limit_to, verdict, left(detail, 2000));
  end case;
  if held.special then
    perform queue.after_release(held, job, (case verdict when 'done' then 1 when 'dead' then 2 when 'cancelled' then 3 end)::smallint);
  end if;
  return job;
end $$;

-- Finishes jobs that are done and have no output: many jobs, many leases, one statement. Cheapest with the jobs of a lease in
-- ascending order. Returns the ids accepted; the rest were fenced, because their lease is no longer this process's.
create or replace function queue.finish(boot uuid, fences bigint[], jobs bigint[]) returns setof bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp
set enable_seqscan = off set plan_cache_mode = force_generic_plan set jit = off as $$
begin
  return query
  with done as (
    select u.f as fence, array_agg(u.j) as jobs from unnest(fences, jobs) u(f, j) group by u.f
  ), held as (
    select l.fence, l.team_id, l.keep, l.attempt, l.claimed_at, l.open, l.special, d.jobs
    from queue.leases l join done d using (fence)
    where l.boot_id = boot
    order by l.fence for no key update of l
  ), whole as (
    delete from queue.leases l using held h
    where l.fence = h.fence and l.team_id = h.team_id and not h.special and (h.jobs = h.open or h.jobs @> h.open)
    returning h.fence, h.team_id, h.keep, h.attempt, h.claimed_at, h.open as ids
  ), part as (
    update queue.leases l set open = array(select x from unnest(h.open) x except select unnest(h.jobs) order by 1)
    from held h
    where l.fence = h.fence and l.team_id = h.team_id and not h.special and h.jobs <> h.open and not h.jobs @> h.open and h.jobs && h.open
    returning h.fence, h.team_id, h.keep, h.attempt, h.claimed_at, array(select unnest(h.open) intersect select unnest(h.jobs)) as ids
  ), kept as (
    select * from whole union all select * from part
  ), ended as (
    insert into queue.outcomes (job_id, team_id, keep, fence, attempt, outcome, claimed_at)
    select id, k.team_id, k.keep, k.fence, k.attempt, 1, k.claimed_at from kept k cross join lateral unnest(k.ids) id
    returning job_id
  )
  select e.job_id from ended e
  union all
  -- More than their end depends on these. Workers of this build settle them; this is for older ones.
  select x.id from (
    select queue.settle_one(boot, h.fence, j, 'done', null, null, null) as id from held h cross join lateral unnest(h.jobs) j where h.special
  ) x where x.id is not null;
end $$;

-- Finishes leases whose jobs are all done and have no output. `counts` tells how many jobs the caller has of each, and `jobs`
-- names one of them: a lease that has another number open, or not that one, or on which more depends, is left for queue.finish.
-- Both, because a caller whose answer was lost tells of jobs that are no longer open, and those that still are may be as many.
-- Returns the fences of those it ended.
create or replace function queue.finish_leases(boot uuid, fences bigint[], counts integer[], jobs bigint[]) returns setof bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp
set enable_seqscan = off set plan_cache_mode = force_generic_plan set jit = off as $$
begin
  return query
  with held as (
    -- In this order everywhere, so that nobody who finishes waits for somebody who finishes.
    select l.fence, l.team_id from unnest(fences, counts, jobs) u(fence, n, job) join queue.leases l on l.fence = u.fence
    where l.boot_id = boot and cardinality(l.open) = u.n and u.job = any (l.open) and not l.special
    order by l.fence for no key update of l
  ), gone as (
    delete from queue.leases l using held h where l.fence = h.fence and l.team_id = h.team_id
    returning l.fence, l.team_id, l.keep, l.attempt, l.claimed_at, l.open
  ), ended as (
    insert into queue.outcomes (job_id, team_id, keep, fence, attempt, outcome, claimed_at)
    select id, g.team_id, g.keep, g.fence, g.attempt, 1, g.claimed_at from gone g cross join lateral unnest(g.open) id
  )
  select g.fence from gone g;
end $$;
grant execute on function queue.finish_leases(uuid, bigint[], integer[], bigint[]) to longshore_worker;

-- Settles jobs, each by its own verdict: the general form of finish. Arrays run in parallel.
-- Returns the ids accepted; the rest were fenced.
create or replace function queue.settle(boot uuid, fences bigint[], jobs bigint[], verdicts text[], delays interval[], details text[], outputs jsonb[])
returns setof bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform queue.lock_limits(boot, fences);
  return query
  select s from (
    select queue.settle_one(boot, u.fence, u.job, u.verdict, u.delay, u.detail, u.output) as s
    from (select * from unnest(fences, jobs, verdicts, delays, details, outputs) x(fence, job, verdict, delay, detail, output)
          order by x.fence, x.job) u
  ) settled where s is not null;
end $$;

-- The completion inside a handler's own transaction: its effects and its end commit together or not at all.
-- Raises LS010 when the lease is no longer this process's, so that the effects roll back too.
create or replace function queue.complete(boot uuid, fence bigint, job bigint, output jsonb) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  held queue.leases;
begin
  perform queue.lock_limits(boot, array[complete.fence]);
  held := queue.release(boot, complete.fence, job);
  if held is null then
    raise exception 'job % is no longer held under fence %', job, complete.fence using errcode = 'LS010',
      hint = 'Another worker has it, or it ended. What this transaction did is rolled back.';
  end if;
  perform queue.guard_team(held.team_id);
  insert into queue.outcomes (job_id, team_id, keep, fence, attempt, outcome, claimed_at)
  values (job, held.team_id, held.keep, complete.fence, held.attempt, 1, held.claimed_at);
  if output is not null then
    insert into queue.outputs (job_id, team_id, keep, output) values (job, held.team_id, held.keep, output);
  end if;
  if held.special then perform queue.after_release(held, job, 1::smallint); end if;
end $$;

-- Asserts inside a handler's transaction that its lease is still good, and keeps it so until the transaction ends.
create or replace function queue.hold(boot uuid, fence bigint, job bigint) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform from queue.leases l where l.fence = hold.fence and l.boot_id = boot and job = any (l.open) for key share;
  if not found then
    raise exception 'job % is no longer held under fence %', job, hold.fence using errcode = 'LS010',
      hint = 'Another worker has it, or it ended. What this transaction did is rolled back.';
  end if;
end $$;

grant execute on function queue.finish(uuid, bigint[], bigint[]) to longshore_worker;
grant execute on function queue.settle(uuid, bigint[], bigint[], text[], interval[], text[], jsonb[]) to longshore_worker;
grant execute on function queue.complete(uuid, bigint, bigint, jsonb) to longshore_worker;
grant execute on function queue.hold(uuid, bigint, bigint) to longshore_worker;

reset role;
