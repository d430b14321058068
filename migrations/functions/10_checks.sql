-- What a job must be like to be accepted, and where a waiting one is taken back from.
-- Errors carry an SQLSTATE of class LS and, in DETAIL, the field that is wrong (docs/SQL.md lists them).
set local role longshore_engine;

-- Refuses a team other than the one this transaction was opened for. The api and the workers must have opened one, under
-- whatever login they came; a superuser, who is a member of every role, need not.
create or replace function queue.guard_team(team uuid) returns void
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  if team is null then
    raise exception 'team_id is missing' using errcode = 'LS007', detail = 'team_id', hint = 'Pass the id of the team the job belongs to.';
  end if;
  if longshore.current_team() is distinct from team
     and (longshore.current_team() is not null
       or ((pg_has_role(session_user, 'longshore_api', 'usage') or pg_has_role(session_user, 'longshore_worker', 'usage'))
         and not (select r.rolsuper from pg_roles r where r.rolname = session_user))) then
    raise exception 'this transaction may not act for team %', team
      using errcode = 'LS007', detail = 'team_id', hint = 'Set app.team_id to that team for the transaction, or leave it unset.';
  end if;
end $$;

-- What is wrong with a job, as "SQLSTATE|field|sentence|hint"; null when it may be enqueued.
create or replace function queue.problem(k queue.kinds, payload jsonb, idempotency_key text, run_at timestamptz, priority smallint) returns text
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  wrong text;
  shown text;
begin
  if payload is null or jsonb_typeof(payload) <> 'object' then
    return 'LS002|payload|payload must be a JSON object|Pass the fields of kind ' || k.kind || ' as an object.';
  end if;
  if pg_column_size(payload) > 262144 then
    return 'LS003|payload|payload is larger than 256 KiB|Store the data and pass its key.';
  end if;
  if not payload ?& k.required then
    select f into wrong from unnest(k.required) f where not payload ? f limit 1;
    return format('LS002|payload.%s|field %s is missing|Kind %s needs: %s.', wrong, wrong, k.kind, array_to_string(k.required, ', '));
  end if;
  select f.key into wrong from jsonb_each(payload) f
  where not k.fields ? f.key or not (k.fields -> f.key) ? jsonb_typeof(f.value) limit 1;
  if found then
    if not k.fields ? wrong then
      shown := left(translate(wrong, '|', ' '), 64);
      return format('LS002|payload.%s|kind %s has no field %s|Known fields: %s.', shown, k.kind, shown,
        (select string_agg(n, ', ' order by n) from jsonb_object_keys(k.fields) n));
    end if;
    return format('LS002|payload.%s|field %s must be %s, not %s|Correct the type.', wrong, wrong,
      (select string_agg(t, ' or ') from jsonb_array_elements_text(k.fields -> wrong) t), jsonb_typeof(payload -> wrong));
  end if;
  if not k.flat and jsonb_path_exists(payload, '$.**{33 to last}') then
    return 'LS003|payload|payload is nested deeper than 32 levels|Flatten it.';
  end if;
  if octet_length(idempotency_key) > 255 or idempotency_key = '' then
    return 'LS004|idempotency_key|idempotency key must be 1 to 255 bytes|Pass a digest of what identifies the work.';
  end if;
  if run_at > now() + interval '1 year' or run_at < '2000-01-01' then
    return 'LS005|run_at|run_at must lie within a year from now|Use a schedule for what lies further ahead.';
  end if;
  if priority not between 0 and 9 then
    return 'LS009|priority|priority must be 0 (first) to 9 (last)|Leave it out for the kind''s own.';
  end if;
  return null;
end $$;

-- Whether a payload is an object of that shape, and small and flat enough.
create or replace function queue.has_shape(payload jsonb, required text[], names text[], types jsonpath) returns boolean
language sql stable as $$
  select jsonb_typeof(payload) = 'object' and pg_column_size(payload) <= 262144
    and payload ?& required and payload - names = '{}' and jsonb_path_match(payload, types)
$$;

-- True of almost every job, and cheap: only where it is false does queue.problem look for the words.
create or replace function queue.is_sound(k queue.kinds, payload jsonb, idempotency_key text, run_at timestamptz, priority smallint) returns boolean
language sql stable as $$
  select coalesce(queue.has_shape(payload, k.required, k.names, k.types) and k.flat, false)
    and (idempotency_key is null or octet_length(idempotency_key) between 1 and 255)
    and (run_at is null or run_at between '2000-01-01' and now() + interval '1 year')
    and (priority is null or priority between 0 and 9)
$$;

comment on function queue.has_shape(jsonb, text[], text[], jsonpath) is 'Without a search_path of its own, so that it is inlined; only pinned functions call it.';
comment on function queue.is_sound(queue.kinds, jsonb, text, timestamptz, smallint) is 'Without a search_path of its own, so that it is inlined; only pinned functions call it.';

create or replace function queue.refuse(problem text) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  part text[] := string_to_array(problem, '|');
begin
  raise exception '%', part[3] using errcode = part[1], detail = part[2], hint = part[4];
end $$;

create or replace function queue.unknown_kind(name text) returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
  select 'LS001|kind|unknown kind ' || quote_literal(left(translate(coalesce(name, ''), '|', ' '), 64)) || '|Known kinds: '
    || coalesce((select string_agg(x.kind, ', ' order by x.kind) from queue.kinds x), 'none; run longshore migrate') || '.'
$$;

-- How many more jobs of a team a queue takes; null when there is no cap. Compared with the backlog as last measured, a few
-- seconds ago: a brake, not a count.
create or replace function queue.room(team uuid, q smallint) returns bigint
language sql stable set search_path = pg_catalog, pg_temp as $$
  select greatest(0, coalesce(own.unfinished_most, every.unfinished_most)
    - coalesce((select b.unfinished from queue.backlogs b where b.team_id = team and b.queue_id = q), 0))
  from (select 1) one
  left join queue.lanes own on own.team_id = team and own.queue_id = q
  left join queue.lanes every on every.team_id = '00000000-0000-0000-0000-000000000000' and every.queue_id = q
  where coalesce(own.unfinished_most, every.unfinished_most) is not null
$$;

create or replace function queue.no_room(q smallint) returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
  select format('LS008|kind|the team has too many unfinished jobs in queue %s|Try again in 5 seconds, or have the cap raised (longshore lanes).', name)
  from queue.queues where id = q
$$;

-- Whether a job is over: its end is on record, or it is so old that its history was dropped.
create or replace function queue.has_ended(job bigint, team uuid) returns boolean
language sql stable set search_path = pg_catalog, pg_temp as $$
  select exists (select from queue.outcomes o where o.job_id = job and o.team_id = team)
    or not exists (select from queue.jobs j where j.id = job and j.team_id = team)
$$;

-- What is wrong with the words that go with a job, as queue.problem says it. A limit's key stands in indexes, so its length
-- has a bound: one that did not fit would fail the claims of its whole queue.
create or replace function queue.wrong_option(key_scope text, on_conflict text, limit_key text, limit_to integer) returns text
language sql immutable set search_path = pg_catalog, pg_temp as $$
  select case
    when key_scope is null or key_scope not in ('period', 'unfinished', 'forever') then
      'LS017|key_scope|key_scope must be period, unfinished or forever|Leave it out for period.'
    when on_conflict is null or on_conflict not in ('first', 'replace', 'debounce') then
      'LS017|on_conflict|on_conflict must be first, replace or debounce|Leave it out for first.'
    when octet_length(limit_key) not between 1 and 200 then
      'LS017|limit_key|limit_key must be 1 to 200 bytes|Pass a name of what is limited.'
    when limit_to < 1 then
      'LS017|limit_to|limit_to must be at least 1|Leave it out for one job at a time.'
  end
$$;

-- Takes a job that does not run out of wherever it waits. `was`: it was there; `due` is when it would have run.
-- A job may move from one place to the next while we look; where it neither waits nor runs, we look again.
create or replace function queue.withdraw(j queue.jobs, out was boolean, out due timestamptz)
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  for look in 1..3 loop
    select w.was, w.due into was, due from queue.withdraw_once(j) w;
    exit when was or exists (select from queue.leases l where l.queue_id = j.queue_id and l.team_id = j.team_id and j.id = any (l.open))
      or queue.has_ended(j.id, j.team_id);
  end loop;
end $$;

create or replace function queue.withdraw_once(j queue.jobs, out was boolean, out due timestamptz)
language plpgsql set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_variable
declare
  chunk queue.ready;
  block queue.blocked;
begin
  delete from queue.scheduled s where s.job_id = j.id and s.team_id = j.team_id returning s.run_at into due;
  was := found;
  if found then return; end if;
  delete from queue.suspects s where s.queue_id = j.queue_id and s.job_id = j.id and s.team_id = j.team_id;
  was := found;
  if found then return; end if;
  -- Most often the job is a chunk of one; else look through its lane, the newest chunk that may hold it first.
  select r.* into chunk from queue.ready r
  where r.queue_id = j.queue_id and r.team_id = j.team_id and r.kind = j.kind and r.priority = j.priority
    and r.first_job <= j.id and j.id = any (r.jobs)
  order by r.first_job desc limit 1 for update;
  was := found;
  if found then
    delete from queue.ready r where r.queue_id = chunk.queue_id and r.team_id = chunk.team_id and r.kind = chunk.kind
      and r.priority = chunk.priority and r.first_job = chunk.first_job;
    chunk.jobs := array_remove(chunk.jobs, j.id);
    if cardinality(chunk.jobs) > 0 then
      chunk.first_job := chunk.jobs[1];
      insert into queue.ready select chunk.*;
    end if;
    return;
  end if;
  if j.limit_key is null then return; end if;
  select b.* into block from queue.blocked b
  where b.team_id = j.team_id and b.limit_key = j.limit_key and b.priority = j.priority and b.first_job <= j.id and j.id = any (b.jobs)
  order by b.first_job desc limit 1 for update;
  was := found;
  if found then
    delete from queue.blocked b where b.team_id = block.team_id and b.limit_key = block.limit_key and b.priority = block.priority
      and b.first_job = block.first_job;
    block.jobs := array_remove(block.jobs, j.id);
    if cardinality(block.jobs) > 0 then
      block.first_job := block.jobs[1];
      insert into queue.blocked select block.*;
    end if;
  end if;
end $$;

-- Announces what a build can run. An older build never takes back what a newer one announced.
create or replace function queue.register(kinds jsonb) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  insert into queue.queues (name)
  select distinct k ->> 'queue' from jsonb_array_elements(kinds) k
  where not exists (select from queue.queues q where q.name = k ->> 'queue')
  on conflict do nothing;
  if found then perform longshore.watch_queues(); end if;
  with given as (
    select k ->> 'kind' as kind, q.id as queue_id, (k ->> 'version')::smallint as version, (k ->> 'priority')::smallint as priority,
      (k ->> 'max_attempts')::smallint as max_attempts, make_interval(secs => (k ->> 'timeout_seconds')::double precision) as timeout,
      (k ->> 'price')::bigint as price, array(select jsonb_array_elements_text(k -> 'required')) as required, k -> 'fields' as fields,
      array(select jsonb_object_keys(k -> 'fields')) as names,
      -- Whether each field that is there has one of its types: (! exists($."f") || $."f".type() == "number" || …) && …
      coalesce((
        select string_agg(format('(! exists($.%1$s)%2$s)', to_json(f.key),
          (select string_agg(format(' || $.%s.type() == %s', to_json(f.key), to_json(t)), '') from jsonb_array_elements_text(f.value) t)), ' && ')
        from jsonb_each(k -> 'fields') f), '1 == 1')::jsonpath as types,
      not exists (select from jsonb_each(k -> 'fields') f where f.value ?| array['object', 'array']) as flat,
      k -> 'schema' as schema, array(select jsonb_array_elements_text(k -> 'aliases')) as aliases, q.history_days as keep,
      exists (select from queue.lanes l where l.queue_id = q.id and l.unfinished_most is not null) as capped
    from jsonb_array_elements(kinds) k join queue.queues q on q.name = k ->> 'queue'
  )
  insert into queue.kinds as have (kind, queue_id, version, priority, max_attempts, timeout, price, required, fields, names, types, flat, schema, aliases, keep, capped)
  select * from given g order by g.kind
  on conflict (kind) do update set queue_id = excluded.queue_id, version = excluded.version, priority = excluded.priority,
    max_attempts = excluded.max_attempts, timeout = excluded.timeout, price = excluded.price, required = excluded.required,
    fields = excluded.fields, names = excluded.names, types = excluded.types, flat = excluded.flat, schema = excluded.schema,
    aliases = excluded.aliases, keep = excluded.keep, capped = excluded.capped, registered_at = now()
  where excluded.version >= have.version
    and (have.queue_id, have.version, have.priority, have.max_attempts, have.timeout, have.price, have.required, have.fields, have.schema, have.aliases)
      is distinct from (excluded.queue_id, excluded.version, excluded.priority, excluded.max_attempts, excluded.timeout, excluded.price,
        excluded.required, excluded.fields, excluded.schema, excluded.aliases);
end $$;
grant execute on function queue.register(jsonb) to longshore_api, longshore_worker, longshore_scheduler, longshore_operator, longshore_migrator;

reset role;
