-- A job's way through the fleet: claim, finish or settle, renew, promote, reap (DESIGN section 3).
-- One row is the whole truth about who may finish what: queue.leases, its fence and its open set.
set local role longshore_engine;

create function queue.enter(boot uuid, role text, host text, pid integer, build text, queues text[], slots integer, ttl interval) returns timestamptz
language sql security definer set search_path = pg_catalog, pg_temp as $$
  insert into queue.processes (boot_id, role, host, pid, build, queues, slots, expires_at)
  values (boot, role, host, pid, build, queues, slots, now() + ttl)
  returning now()
$$;

-- One heartbeat for everything a process runs. No row: the process is dead to the fleet and must stop its handlers.
-- `cancelled`: jobs this process holds that somebody wants stopped.
create function queue.beat(boot uuid, ttl interval, out expires_at timestamptz, out cancelled bigint[])
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
begin
  update queue.processes p set beat_at = now(), expires_at = now() + ttl
  where p.boot_id = boot and p.expires_at > now()
  returning p.expires_at into beat.expires_at;
  if beat.expires_at is not null and exists (select from queue.cancels) then
    select array_agg(c.job_id) into cancelled from queue.cancels c
    where exists (select from queue.leases l where l.boot_id = boot and c.job_id = any (l.open));
  end if;
end $$;

-- Ends a process that stopped in good order. What it still held, if anything, is reaped at once by the next reaper.
create function queue.leave(boot uuid) returns void
language sql security definer set search_path = pg_catalog, pg_temp as $$
  delete from queue.processes where boot_id = boot
$$;

-- Claims up to `slots` jobs for a process. It hops from team to team, starting behind `after`, so that one team's
-- million does not delay another's one; the worker passes the last team it got. Blocked teams cost nothing.
-- Losing the claim in a crash only leaves the jobs ready, so it may commit asynchronously; enqueue and finish never do.
create function queue.claim(boot uuid, queue_name text, slots integer, after uuid, kinds text[])
returns table (
  fence bigint, job_id bigint, team_id uuid, kind text, version smallint, priority smallint, attempt smallint, max_attempts smallint,
  payload jsonb, correlation_id text, created_at timestamptz, claimed_at timestamptz, cancelled boolean
)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set plan_cache_mode = force_generic_plan
set jit = off as $$
#variable_conflict use_column
declare
  q smallint;
  lanes uuid[];
  more uuid[];
  share integer;
  row_at tid;
  size integer;
  room integer := slots;
  rows_at tid[] := '{}';
  cut_at tid;
  cut_to integer;
  any_cancel boolean;
  pick refcursor;
begin
  perform set_config('synchronous_commit', 'off', true);
  select id into q from queue.queues where name = queue_name and paused_at is null;
  if not found or slots < 1 then return; end if;
  if not exists (select from queue.processes p where p.boot_id = boot and p.expires_at > now()) then
    raise exception 'process % is not alive in the fleet', boot using errcode = 'LS011', hint = 'Stop its handlers and enter under a new boot id.';
  end if;

  lanes := queue.lanes_after(q, after, least(slots, 20));
  if cardinality(lanes) < least(slots, 20) and after > '00000000-0000-0000-0000-000000000000' then
    more := queue.lanes_after(q, '00000000-0000-0000-0000-000000000000', least(slots, 20));
    lanes := lanes || array(select t from unnest(more) with ordinality m(t, n) where t <= after order by n);
  end if;
  if cardinality(lanes) = 0 then return; end if;
  share := greatest(1, ceil(slots::numeric / cardinality(lanes)));

  -- One row at a time, so that no row is locked that is not taken.
  open pick no scroll for
    select c.at, c.size
    from unnest(lanes) with ordinality as l(team, hop) cross join lateral (
      select r.ctid as at, cardinality(r.jobs) as size from queue.ready r
      where r.queue_id = q and r.team_id = l.team and r.kind = any (kinds)
      order by r.priority, r.first_job limit share
      for update skip locked
    ) c;
  while room > 0 loop
    fetch pick into row_at, size;
    exit when not found;
    rows_at := rows_at || row_at;
    if size > room then
      cut_at := row_at;
      cut_to := room;
    end if;
    room := room - size;
  end loop;
  close pick;
  if cardinality(rows_at) = 0 then return; end if;

  any_cancel := exists (select from queue.cancels);
  return query
  with gone as (
    delete from queue.ready r where r.ctid = any (rows_at)
    returning r.ctid as at, r.team_id, r.priority, r.kind, r.attempt, r.jobs, r.ready_at
  ), tail as (
    insert into queue.ready (queue_id, team_id, priority, first_job, jobs, kind, attempt, ready_at)
    select q, g.team_id, g.priority, g.jobs[cut_to + 1], g.jobs[cut_to + 1:], g.kind, g.attempt, g.ready_at
    from gone g where g.at = cut_at
  ), taken as (
    select g.team_id, g.priority, g.kind, g.attempt, j.id
    from gone g cross join lateral unnest(case when g.at = cut_at then g.jobs[:cut_to] else g.jobs end) as j(id)
  ), leased as (
    insert into queue.leases (team_id, queue_id, priority, kind, boot_id, attempt, open)
    select t.team_id, q, t.priority, t.kind, boot, t.attempt + 1, array_agg(t.id order by t.id)
    from taken t group by t.team_id, t.priority, t.kind, t.attempt
    returning fence, team_id, attempt, open, claimed_at
  )
  select l.fence, j.id, j.team_id, j.kind, j.version, j.priority, l.attempt, j.max_attempts, j.payload, j.correlation_id, j.created_at,
    l.claimed_at, any_cancel and exists (select from queue.cancels c where c.job_id = j.id and c.team_id = j.team_id)
  from leased l cross join lateral unnest(l.open) as o(id) join queue.jobs j on j.id = o.id and j.team_id = l.team_id
  order by array_position(lanes, l.team_id), j.priority, j.id;
end $$;

-- The next `most` teams behind `after` that have ready work in a queue: one index descent each.
create function queue.lanes_after(q smallint, after uuid, most integer) returns uuid[]
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  found_teams uuid[] := '{}';
  team uuid := after;
begin
  while cardinality(found_teams) < most loop
    select r.team_id into team from queue.ready r where r.queue_id = q and r.team_id > team order by r.team_id limit 1;
    exit when not found;
    found_teams := found_teams || team;
  end loop;
  return found_teams;
end $$;

-- Finishes jobs that are done and have no output: many jobs, many leases, one statement.
-- Returns the ids accepted; the rest were fenced, because their lease is no longer this process's.
create function queue.finish(boot uuid, fences bigint[], jobs bigint[]) returns setof bigint
language sql security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off set plan_cache_mode = force_generic_plan as $$
  with done as (
    select f as fence, array_agg(j) as jobs from unnest(fences, jobs) u(f, j) group by f
  ), held as (
    select l.fence, l.team_id, l.attempt, l.claimed_at, l.open, d.jobs
    from queue.leases l join done d using (fence)
    where l.boot_id = boot
    order by l.fence for no key update of l
  ), whole as (
    delete from queue.leases l using held h where l.fence = h.fence and l.team_id = h.team_id and h.jobs @> h.open
    returning h.fence, h.team_id, h.attempt, h.claimed_at, h.open as ids
  ), part as (
    update queue.leases l set open = array(select unnest(h.open) except select unnest(h.jobs))
    from held h where l.fence = h.fence and l.team_id = h.team_id and not h.jobs @> h.open and h.jobs && h.open
    returning h.fence, h.team_id, h.attempt, h.claimed_at, array(select unnest(h.open) intersect select unnest(h.jobs)) as ids
  ), kept as (select * from whole union all select * from part)
  insert into queue.outcomes (job_id, team_id, fence, attempt, outcome, claimed_at)
  select id, k.team_id, k.fence, k.attempt, 1, k.claimed_at from kept k cross join lateral unnest(k.ids) id
  returning job_id
$$;

-- Takes one job out of its lease; null when this process no longer holds it under that fence.
create function queue.release(boot uuid, f bigint, job bigint) returns queue.leases
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

-- Moves a job to the dead letters, whole: payload, every attempt's error, lineage.
create function queue.bury(job bigint, team uuid, f bigint, made smallint, claimed timestamptz, last_error text) returns void
language sql set search_path = pg_catalog, pg_temp as $$
  insert into queue.dead (job_id, team_id, queue_id, kind, version, priority, max_attempts, payload, correlation_id, root_id, replay_of,
    created_at, attempts, error, errors)
  select j.id, j.team_id, j.queue_id, j.kind, j.version, j.priority, j.max_attempts, j.payload, j.correlation_id, j.root_id, j.replay_of,
    j.created_at, made, last_error,
    coalesce((select jsonb_agg(jsonb_build_object('attempt', a.attempt, 'result', a.result, 'error', a.error,
        'started_at', a.started_at, 'ended_at', a.ended_at, 'process', a.boot_id) order by a.ended_at, a.attempt)
      from queue.attempts a where a.job_id = j.id and a.team_id = j.team_id), '[]')
  from queue.jobs j where j.id = job and j.team_id = team;
  insert into queue.outcomes (job_id, team_id, fence, attempt, outcome, claimed_at) values (job, team, f, made, 2, claimed);
$$;

-- Settles jobs one by one, each by its own verdict: the general form of finish. Arrays run in parallel.
-- verdicts: done, retry, snoozed, unknown, parked, dead, cancelled, released (handed back unrun; burns no attempt).
-- Returns the ids accepted; the rest were fenced.
create function queue.settle(boot uuid, fences bigint[], jobs bigint[], verdicts text[], delays interval[], details text[], outputs jsonb[])
returns setof bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp set plan_cache_mode = force_generic_plan as $$
declare
  held queue.leases;
  one record;
begin
  for one in
    select * from unnest(fences, jobs, verdicts, delays, details, outputs) u(fence, job, verdict, delay, detail, output) order by u.fence, u.job
  loop
    held := queue.release(boot, one.fence, one.job);
    continue when held is null;
    if one.verdict in ('retry', 'dead', 'cancelled') then
      insert into queue.attempts (job_id, team_id, attempt, fence, boot_id, started_at, result, error)
      values (one.job, held.team_id, held.attempt, one.fence, boot, held.claimed_at, one.verdict, one.detail);
    end if;
    case one.verdict
      when 'done' then
        insert into queue.outcomes (job_id, team_id, fence, attempt, outcome, claimed_at)
        values (one.job, held.team_id, one.fence, held.attempt, 1, held.claimed_at);
        if one.output is not null then
          insert into queue.outputs (job_id, team_id, output) values (one.job, held.team_id, one.output);
        end if;
      when 'dead' then
        perform queue.bury(one.job, held.team_id, one.fence, held.attempt, held.claimed_at, coalesce(one.detail, 'no reason given'));
      when 'cancelled' then
        insert into queue.outcomes (job_id, team_id, fence, attempt, outcome, claimed_at)
        values (one.job, held.team_id, one.fence, held.attempt, 3, held.claimed_at);
        delete from queue.cancels c where c.job_id = one.job and c.team_id = held.team_id;
      when 'released' then
        insert into queue.ready (queue_id, team_id, priority, first_job, jobs, kind, attempt)
        values (held.queue_id, held.team_id, held.priority, one.job, array[one.job], held.kind, held.attempt - 1);
      else
        insert into queue.scheduled (job_id, team_id, run_at, queue_id, kind, priority, attempt, reason, detail)
        values (one.job, held.team_id, case when one.verdict = 'parked' then 'infinity' else now() + coalesce(one.delay, interval '0') end,
          held.queue_id, held.kind, held.priority, case when one.verdict = 'retry' then held.attempt else held.attempt - 1 end,
          one.verdict, left(one.detail, 2000));
    end case;
    return next one.job;
  end loop;
end $$;

-- The completion inside a handler's own transaction: its effects and its end commit together or not at all.
-- Raises LS010 when the lease is no longer this process's, so that the effects roll back too.
create function queue.complete(boot uuid, fence bigint, job bigint, output jsonb) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  held queue.leases := queue.release(boot, complete.fence, job);
begin
  if held is null then
    raise exception 'job % is no longer held under fence %', job, complete.fence using errcode = 'LS010',
      hint = 'Another worker has it, or it ended. What this transaction did is rolled back.';
  end if;
  perform queue.guard_team(held.team_id);
  insert into queue.outcomes (job_id, team_id, fence, attempt, outcome, claimed_at)
  values (job, held.team_id, complete.fence, held.attempt, 1, held.claimed_at);
  if output is not null then
    insert into queue.outputs (job_id, team_id, output) values (job, held.team_id, output);
  end if;
end $$;

-- Asserts inside a handler's transaction that its lease is still good, and keeps it so until the transaction ends.
create function queue.hold(boot uuid, fence bigint, job bigint) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform from queue.leases l where l.fence = hold.fence and l.boot_id = boot and job = any (l.open) for key share;
  if not found then
    raise exception 'job % is no longer held under fence %', job, hold.fence using errcode = 'LS010',
      hint = 'Another worker has it, or it ended. What this transaction did is rolled back.';
  end if;
end $$;

-- Makes due scheduled jobs ready, in chunks, from any process. Returns how many.
create function queue.promote(most integer default 2000) returns integer
language sql security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off set plan_cache_mode = force_generic_plan as $$
  with due as (
    select s.job_id, s.team_id from queue.scheduled s where s.run_at <= now() order by s.run_at limit most for update skip locked
  ), gone as (
    delete from queue.scheduled s using due d where s.job_id = d.job_id and s.team_id = d.team_id
    returning s.job_id, s.team_id, s.queue_id, s.kind, s.priority, s.attempt, s.run_at
  ), chunked as (
    select g.*, (row_number() over (partition by g.queue_id, g.team_id, g.priority, g.kind, g.attempt order by g.job_id) - 1) / 200 as chunk from gone g
  ), readied as (
    insert into queue.ready (queue_id, team_id, priority, first_job, jobs, kind, attempt, ready_at)
    select c.queue_id, c.team_id, c.priority, min(c.job_id), array_agg(c.job_id order by c.job_id), c.kind, c.attempt, min(c.run_at)
    from chunked c group by c.queue_id, c.team_id, c.priority, c.kind, c.attempt, c.chunk
  )
  select count(*)::integer from gone
$$;

-- Hands back the jobs of processes that are gone: ready again with the attempt counted, or dead at the limit.
create function queue.reap(most integer default 200, out lost integer, out buried integer)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  l queue.leases;
  back bigint[];
  one record;
begin
  lost := 0;
  buried := 0;
  for l in
    select * from queue.leases x
    where not exists (select from queue.processes p where p.boot_id = x.boot_id and p.expires_at > now())
    order by x.fence limit most for update skip locked
  loop
    back := '{}';
    delete from queue.leases x where x.fence = l.fence and x.team_id = l.team_id;
    for one in
      select j.id, j.max_attempts, exists (select from queue.cancels c where c.job_id = j.id and c.team_id = j.team_id) as cancelled
      from unnest(l.open) o(id) join queue.jobs j on j.id = o.id and j.team_id = l.team_id order by j.id
    loop
      lost := lost + 1;
      insert into queue.attempts (job_id, team_id, attempt, fence, boot_id, started_at, result, error)
      values (one.id, l.team_id, l.attempt, l.fence, l.boot_id, l.claimed_at, 'lost', 'worker lost: its process stopped renewing');
      if one.cancelled then
        insert into queue.outcomes (job_id, team_id, fence, attempt, outcome, claimed_at) values (one.id, l.team_id, l.fence, l.attempt, 3, l.claimed_at);
        delete from queue.cancels c where c.job_id = one.id and c.team_id = l.team_id;
      elsif l.attempt >= one.max_attempts then
        perform queue.bury(one.id, l.team_id, l.fence, l.attempt, l.claimed_at, 'worker lost: its process stopped renewing');
        buried := buried + 1;
      else
        back := back || one.id;
      end if;
    end loop;
    if cardinality(back) > 0 then
      insert into queue.ready (queue_id, team_id, priority, first_job, jobs, kind, attempt)
      values (l.queue_id, l.team_id, l.priority, back[1], back, l.kind, l.attempt);
    end if;
  end loop;
  delete from queue.processes p where p.expires_at <= now() - interval '1 hour'
    and not exists (select from queue.leases x where x.boot_id = p.boot_id);
end $$;

-- Hands back, unrun, what a live process holds without knowing of it: claims whose answer was lost on the way.
-- `known` are the fences it does know. The caller makes sure that no claim of its own is under way.
create function queue.disown(boot uuid, known bigint[]) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  n integer;
begin
  with gone as (
    delete from queue.leases l where l.boot_id = boot and l.fence <> all (known)
    returning l.queue_id, l.team_id, l.priority, l.kind, l.attempt, l.open
  ), back as (
    insert into queue.ready (queue_id, team_id, priority, first_job, jobs, kind, attempt)
    select g.queue_id, g.team_id, g.priority, g.open[1], g.open, g.kind, g.attempt - 1 from gone g where cardinality(g.open) > 0
  )
  select coalesce(sum(cardinality(open)), 0) into n from gone;
  return n;
end $$;

-- Cancels a job. Answers cancelled (it will not run), cancelling (it runs; its handler is told within a heartbeat),
-- or how it had ended already: done, dead, cancelled; null when the team has no such job.
create function queue.cancel(team uuid, job bigint, by text) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  j queue.jobs;
  ended smallint;
  chunk queue.ready;
  where_at tid;
  is_open boolean := false;
begin
  perform queue.guard_team(team);
  select * into j from queue.jobs where id = job and team_id = team;
  if not found then return null; end if;
  select o.outcome into ended from queue.outcomes o where o.job_id = job and o.team_id = team limit 1;
  if found then return case ended when 1 then 'done' when 3 then 'cancelled' else 'dead' end; end if;

  delete from queue.scheduled where job_id = job and team_id = team;
  is_open := found;
  if not is_open then
    -- Most often the job is a chunk of one; else look through its lane, newest chunk that may hold it first.
    select r.ctid into where_at from queue.ready r
    where r.queue_id = j.queue_id and r.team_id = team and r.priority = j.priority and r.first_job <= job and job = any (r.jobs)
    order by r.first_job desc limit 1 for update;
    if found then
      select * into chunk from queue.ready r where r.ctid = where_at;
      delete from queue.ready r where r.ctid = where_at;
      if cardinality(chunk.jobs) > 1 then
        chunk.jobs := array_remove(chunk.jobs, job);
        insert into queue.ready (queue_id, team_id, priority, first_job, jobs, kind, attempt, ready_at)
        values (chunk.queue_id, chunk.team_id, chunk.priority, chunk.jobs[1], chunk.jobs, chunk.kind, chunk.attempt, chunk.ready_at);
      end if;
      is_open := true;
    end if;
  end if;
  if is_open then
    insert into queue.outcomes (job_id, team_id, fence, attempt, outcome) values (job, team, 0, 0, 3);
    insert into queue.attempts (job_id, team_id, attempt, fence, result, error) values (job, team, 0, 0, 'cancelled', 'cancelled before it ran, by ' || coalesce(by, 'unknown'));
    return 'cancelled';
  end if;
  insert into queue.cancels (job_id, team_id, requested_by) values (job, team, by) on conflict do nothing;
  return 'cancelling';
end $$;

-- Wakes parked jobs of a team whose park reason starts with `why`. Returns how many.
create function queue.unpark(team uuid, why text) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  n integer;
begin
  perform queue.guard_team(team);
  update queue.scheduled s set run_at = now() where s.team_id = team and s.run_at = 'infinity' and starts_with(s.detail, why);
  get diagnostics n = row_count;
  return n;
end $$;

grant execute on function queue.enter(uuid, text, text, integer, text, text[], integer, interval) to longshore_api, longshore_worker, longshore_scheduler;
grant execute on function queue.beat(uuid, interval) to longshore_api, longshore_worker, longshore_scheduler;
grant execute on function queue.leave(uuid) to longshore_api, longshore_worker, longshore_scheduler;
grant execute on function queue.claim(uuid, text, integer, uuid, text[]) to longshore_worker;
grant execute on function queue.finish(uuid, bigint[], bigint[]) to longshore_worker;
grant execute on function queue.settle(uuid, bigint[], bigint[], text[], interval[], text[], jsonb[]) to longshore_worker;
grant execute on function queue.complete(uuid, bigint, bigint, jsonb) to longshore_worker;
grant execute on function queue.hold(uuid, bigint, bigint) to longshore_worker;
grant execute on function queue.disown(uuid, bigint[]) to longshore_worker;
grant execute on function queue.promote(integer) to longshore_worker, longshore_scheduler;
grant execute on function queue.reap(integer) to longshore_worker, longshore_scheduler;
grant execute on function queue.cancel(uuid, bigint, text) to longshore_api, longshore_operator, longshore_worker;
grant execute on function queue.unpark(uuid, text) to longshore_api, longshore_operator, longshore_worker;

reset role;
