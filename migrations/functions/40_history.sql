-- History: partitions ahead of the ids, and the old ones dropped whole (DESIGN section 3). A partition holds the jobs of
-- an id range that are kept for the same number of days.
set local role longshore_owner;

-- Makes sure that ids up to `ahead` beyond the newest job have partitions, for every number of days that some queue keeps
-- its history. Width: 10 million ids. Returns how many tables it made.
create or replace function queue.ensure_partitions(ahead bigint default 20000000) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  width constant bigint := 10000000;
  newest bigint;
  n bigint;
  days smallint;
  parent text;
  part text;
  made integer := 0;
begin
  perform pg_advisory_xact_lock(7203443);
  select last_value into newest from queue.job_ids;
  for days in select distinct q.history_days from queue.queues q union select 30 loop
    foreach parent in array array['jobs', 'outcomes', 'outputs', 'attempts'] loop
      part := format('%s_%sd', parent, days);
      if to_regclass('queue.' || part) is null then
        execute format('create table queue.%I partition of queue.%I for values in (%s) partition by range (%s)',
          part, parent, days, case parent when 'jobs' then 'id' else 'job_id' end);
        execute format('alter table queue.%I enable row level security', part);
        execute format('alter table queue.%I force row level security', part);
        made := made + 1;
      end if;
    end loop;
  end loop;
  for n in newest / width .. (newest + ahead) / width loop
    for days in select distinct q.history_days from queue.queues q union select 30 loop
      foreach parent in array array['jobs', 'outcomes', 'outputs', 'attempts'] loop
        made := made + queue.make_partition(format('%s_%sd', parent, days), n, width);
      end loop;
    end loop;
    made := made + queue.make_partition('steps', n, width) + queue.make_partition('progress', n, width);
  end loop;
  return made;
end $$;

create or replace function queue.make_partition(parent text, n bigint, width bigint) returns integer
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  part constant text := format('%s_%s', parent, n);
begin
  if to_regclass('queue.' || part) is not null then return 0; end if;
  execute format('create table queue.%I partition of queue.%I for values from (%s) to (%s)', part, parent, n * width, (n + 1) * width);
  execute format('alter table queue.%I enable row level security', part);
  execute format('alter table queue.%I force row level security', part);
  if parent like 'outcomes%' then
    execute format('create index on queue.%I using brin (job_id) with (pages_per_range = 16)', part);
  end if;
  return 1;
end $$;

do $$ begin perform queue.ensure_partitions(); end $$;

-- Begins a new partition once the newest one has taken jobs for long enough: the next id jumps to the next range, so that
-- small fleets too can drop what is old. Returns whether it did.
create or replace function queue.turn_page() returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  width constant bigint := 10000000;
  newest bigint;
  oldest timestamptz;
  span interval;
begin
  perform pg_advisory_xact_lock(7203443);
  select last_value into newest from queue.job_ids;
  select j.created_at into oldest from queue.jobs j where j.id >= newest / width * width order by j.id limit 1;
  select make_interval(hours => greatest(24, min(q.history_days) * 24 / 5)) into span from queue.queues q;
  if oldest is null or oldest > now() - span then return false; end if;
  perform queue.ensure_partitions();
  perform setval('queue.job_ids', (newest / width + 1) * width);
  return true;
end $$;

-- Drops the oldest partition whose jobs have all been over for longer than they are kept. What is not over, or ended
-- lately, is carried forward into a small table that takes the partition's place; what goes leaves a line a day, kind and
-- outcome. Reads before it locks, so that the fleet stands still for the swap alone. Returns the name of what was
-- dropped, null when nothing was due.
create or replace function queue.drop_history(out dropped text, out carried bigint)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  width constant bigint := 10000000;
  parents constant text[] := array['jobs', 'outcomes', 'outputs', 'attempts'];
  newest bigint;
  part record;
  parent text;
  old text;
  born timestamptz;
  jobs bigint;
  cut timestamptz;
begin
  perform pg_advisory_xact_lock(7203443);
  perform set_config('lock_timeout', '2s', true);
  select last_value into newest from queue.job_ids;
  for part in
    select c.relname as name, m[1]::smallint as days, m[2]::bigint as n
    from pg_class c, regexp_match(c.relname, '^jobs_([0-9]+)d_([0-9]+)$') m
    where c.relnamespace = 'queue'::regnamespace and m is not null
    order by 3, 2
  loop
    exit when part.n >= newest / width;
    cut := now() - make_interval(days => part.days);
    select j.created_at into born from queue.jobs j
    where j.keep = part.days and j.id >= part.n * width and j.id < (part.n + 1) * width order by j.id desc limit 1;
    continue when born > cut;
    select count(*), count(*) filter (where o.job_id is null or o.finished_at > cut) into jobs, carried
    from queue.jobs j
    left join queue.outcomes o on o.job_id = j.id and o.team_id = j.team_id and o.keep = j.keep
      and o.job_id >= part.n * width and o.job_id < (part.n + 1) * width
    where j.keep = part.days and j.id >= part.n * width and j.id < (part.n + 1) * width;
    -- Where most of it lives there is nothing to gain yet.
    continue when carried * 2 > jobs;

    insert into queue.tombstones as t (team_id, day, kind, outcome, first_job, last_job, jobs)
    select j.team_id, (o.finished_at at time zone 'UTC')::date, j.kind, o.outcome, min(j.id), max(j.id), count(*)
    from queue.jobs j
    join queue.outcomes o on o.job_id = j.id and o.team_id = j.team_id and o.keep = j.keep
      and o.job_id >= part.n * width and o.job_id < (part.n + 1) * width
    where j.keep = part.days and j.id >= part.n * width and j.id < (part.n + 1) * width and o.finished_at <= cut
    group by 1, 2, 3, 4
    on conflict (team_id, day, kind, outcome, first_job) do update
      set jobs = t.jobs + excluded.jobs, last_job = greatest(t.last_job, excluded.last_job);
    if carried > 0 then
      execute format('create table queue.carried_jobs (like queue.%I including all)', part.name);
      insert into queue.carried_jobs
      select j.* from queue.jobs j
      left join queue.outcomes o on o.job_id = j.id and o.team_id = j.team_id and o.keep = j.keep
        and o.job_id >= part.n * width and o.job_id < (part.n + 1) * width
      where j.keep = part.days and j.id >= part.n * width and j.id < (part.n + 1) * width
        and (o.job_id is null or o.finished_at > cut);
    end if;

    -- From the top down, as every statement locks them.
    foreach parent in array parents loop
      execute format('lock table only queue.%I in access exclusive mode', format('%s_%sd', parent, part.days));
      execute format('lock table queue.%I in access exclusive mode', format('%s_%sd_%s', parent, part.days, part.n));
    end loop;
    foreach parent in array parents loop
      old := format('%s_%sd_%s', parent, part.days, part.n);
      if carried > 0 and parent <> 'jobs' then
        execute format('create table queue.%I (like queue.%I including all)', 'carried_' || parent, old);
        execute format('insert into queue.%1$I select x.* from queue.%2$I x
          where x.keep = %3$s and x.job_id >= %4$s and x.job_id < %5$s and x.job_id in (select id from queue.carried_jobs)',
          'carried_' || parent, parent, part.days, part.n * width, (part.n + 1) * width);
      end if;
    end loop;
    foreach parent in array parents loop
      old := format('%s_%sd_%s', parent, part.days, part.n);
      execute format('drop table queue.%I', old);
      continue when carried = 0;
      execute format('alter table queue.%I rename to %I', 'carried_' || parent, old);
      execute format('alter table queue.%I attach partition queue.%I for values from (%s) to (%s)',
        format('%s_%sd', parent, part.days), old, part.n * width, (part.n + 1) * width);
      execute format('alter table queue.%I enable row level security', old);
      execute format('alter table queue.%I force row level security', old);
    end loop;
    -- Steps and progress go with the last history of their ids.
    if not exists (select from pg_class c where c.relnamespace = 'queue'::regnamespace and c.relname ~ format('^jobs_[0-9]+d_%s$', part.n)) then
      execute format('drop table if exists queue.%I, queue.%I', 'steps_' || part.n, 'progress_' || part.n);
    end if;
    dropped := part.name;
    return;
  end loop;
  carried := null;
end $$;

-- Sets for how many days a queue's finished jobs are kept. For jobs enqueued from now on. False: no such queue.
create or replace function queue.keep_history(queue_name text, days smallint) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  was smallint;
begin
  select history_days into was from queue.queues where name = queue_name for update;
  if not found then return false; end if;
  update queue.queues set history_days = days where name = queue_name;
  update queue.kinds k set keep = days from queue.queues q where q.name = queue_name and k.queue_id = q.id;
  perform queue.ensure_partitions();
  perform longshore.audit_deed(null, null, 'queue.keep', 'queue ' || queue_name, null, jsonb_build_object('history_days', was),
    jsonb_build_object('history_days', days));
  return true;
end $$;

grant execute on function queue.ensure_partitions(bigint) to longshore_scheduler, longshore_migrator;
grant execute on function queue.turn_page(), queue.drop_history() to longshore_scheduler;
grant execute on function queue.keep_history(text, smallint) to longshore_operator;

reset role;
