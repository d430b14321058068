-- Processes, what they leave behind when they die, and what becomes due or free.
set local role longshore_engine;

create or replace function queue.enter(boot uuid, role text, host text, pid integer, build text, queues text[], slots integer, ttl interval) returns timestamptz
language sql security definer set search_path = pg_catalog, pg_temp as $$
  insert into queue.processes (boot_id, role, host, pid, build, queues, slots, expires_at)
  values (boot, role, host, pid, build, queues, slots, now() + ttl)
  returning now()
$$;

-- One heartbeat for everything a process runs. No row: the process is dead to the fleet and must stop its handlers.
-- `cancelled`: jobs this process holds that somebody wants stopped.
create or replace function queue.beat(boot uuid, ttl interval, out expires_at timestamptz, out cancelled bigint[])
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
create or replace function queue.leave(boot uuid) returns void
language sql security definer set search_path = pg_catalog, pg_temp as $$
  delete from queue.sleepers where boot_id = boot;
  delete from queue.processes where boot_id = boot;
$$;

-- A process says that it sleeps until a queue has work, or that it no longer does. Who says so looks once more for work
-- before it sleeps: what was enqueued before this commits notifies nobody.
create or replace function queue.sleep(boot uuid, queue_name text, asleep boolean) returns smallint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  q smallint;
begin
  perform set_config('synchronous_commit', 'off', true);
  select id into q from queue.queues where name = queue_name;
  if asleep and exists (select from queue.processes p where p.boot_id = boot and p.expires_at > now()) then
    insert into queue.sleepers (queue_id, boot_id) select q, boot where q is not null on conflict do nothing;
  else
    delete from queue.sleepers s where s.queue_id = q and s.boot_id = boot;
  end if;
  return q;
end $$;

-- Makes due scheduled jobs ready, in chunks, from any process. Returns how many.
create or replace function queue.promote(most integer default 2000) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off set plan_cache_mode = force_generic_plan as $$
declare
  n integer;
  woken smallint[];
  q smallint;
begin
  with due as (
    select s.job_id, s.team_id from queue.scheduled s where s.run_at <= now() order by s.run_at limit most for update skip locked
  ), gone as (
    delete from queue.scheduled s using due d where s.job_id = d.job_id and s.team_id = d.team_id returning s.*
  ), chunked as (
    select g.*, (row_number() over (partition by g.queue_id, g.team_id, g.kind, g.priority, g.attempt order by g.job_id) - 1) / 200 as chunk from gone g
  ), readied as (
    insert into queue.ready (queue_id, team_id, kind, priority, first_job, jobs, keep, attempt, special, limit_key, limit_to, ready_at)
    select c.queue_id, c.team_id, c.kind, c.priority, min(c.job_id), array_agg(c.job_id order by c.job_id), c.keep, c.attempt,
      c.special, c.limit_key, c.limit_to, min(c.run_at)
    from chunked c group by c.queue_id, c.team_id, c.kind, c.priority, c.keep, c.attempt, c.special, c.limit_key, c.limit_to, c.chunk
  )
  select count(*), array_agg(distinct queue_id) into n, woken from gone;
  foreach q in array coalesce(woken, '{}') loop
    if exists (select from queue.sleepers s where s.queue_id = q) then perform pg_notify('longshore_' || q, ''); end if;
  end loop;
  return n;
end $$;

-- Hands back the jobs of processes that are gone: as suspects that run alone next time, with the attempt counted, or dead
-- at the limit.
create or replace function queue.reap(most integer default 200, out lost integer, out buried integer)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  l queue.leases;
  one record;
begin
  lost := 0;
  buried := 0;
  for l in
    select * from queue.leases x
    where not exists (select from queue.processes p where p.boot_id = x.boot_id and p.expires_at > now())
    order by x.fence limit most for update skip locked
  loop
    delete from queue.leases x where x.fence = l.fence and x.team_id = l.team_id;
    for one in
      select j.id, j.max_attempts, exists (select from queue.cancels c where c.job_id = j.id and c.team_id = j.team_id) as cancelled
      from unnest(l.open) o(id) join queue.jobs j on j.id = o.id and j.team_id = l.team_id and j.keep = l.keep order by j.id
    loop
      lost := lost + 1;
      insert into queue.attempts (job_id, team_id, keep, attempt, fence, boot_id, started_at, result, error)
      values (one.id, l.team_id, l.keep, l.attempt, l.fence, l.boot_id, l.claimed_at, 'lost', 'worker lost: its process stopped renewing');
      if one.cancelled then
        insert into queue.outcomes (job_id, team_id, keep, fence, attempt, outcome, claimed_at)
        values (one.id, l.team_id, l.keep, l.fence, l.attempt, 3, l.claimed_at);
        delete from queue.cancels c where c.job_id = one.id and c.team_id = l.team_id;
      elsif l.attempt >= one.max_attempts then
        perform queue.bury(one.id, l.team_id, l.keep, l.fence, l.attempt, l.claimed_at, 'worker lost: its process stopped renewing');
        buried := buried + 1;
      else
        insert into queue.suspects (queue_id, job_id, team_id, kind, priority, keep, attempt, special, limit_key, limit_to)
        values (l.queue_id, one.id, l.team_id, l.kind, l.priority, l.keep, l.attempt, l.special, l.limit_key, l.limit_to);
      end if;
      if l.special then
        perform queue.after_release(l, one.id,
          (case when one.cancelled then 3 when l.attempt >= one.max_attempts then 2 end)::smallint);
      end if;
    end loop;
  end loop;
  delete from queue.sleepers s where not exists (select from queue.processes p where p.boot_id = s.boot_id and p.expires_at > now());
  delete from queue.processes p where p.expires_at <= now() - interval '1 hour'
    and not exists (select from queue.leases x where x.boot_id = p.boot_id);
end $$;

-- Hands back, unrun, what a live process holds without knowing of it: claims whose answer was lost on the way.
-- `known` are the fences it does know. The caller makes sure that no claim of its own is under way.
create or replace function queue.disown(boot uuid, known bigint[]) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  n integer := 0;
  l queue.leases;
begin
  for l in delete from queue.leases x where x.boot_id = boot and x.fence <> all (known) returning x.* loop
    continue when cardinality(l.open) = 0;
    l.open := array(select o from unnest(l.open) o order by o);
    insert into queue.ready (queue_id, team_id, kind, priority, first_job, jobs, keep, attempt, special, limit_key, limit_to)
    values (l.queue_id, l.team_id, l.kind, l.priority, l.open[1], l.open, l.keep, l.attempt - 1, l.special, l.limit_key, l.limit_to);
    if l.limit_key is not null then perform queue.unblock(l.team_id, l.limit_key); end if;
    n := n + cardinality(l.open);
  end loop;
  return n;
end $$;

grant execute on function queue.enter(uuid, text, text, integer, text, text[], integer, interval) to longshore_api, longshore_worker, longshore_scheduler;
grant execute on function queue.beat(uuid, interval) to longshore_api, longshore_worker, longshore_scheduler;
grant execute on function queue.leave(uuid) to longshore_api, longshore_worker, longshore_scheduler;
grant execute on function queue.sleep(uuid, text, boolean) to longshore_worker;
grant execute on function queue.disown(uuid, bigint[]) to longshore_worker;
grant execute on function queue.promote(integer), queue.reap(integer), queue.unblock_all(integer) to longshore_worker, longshore_scheduler;

reset role;
