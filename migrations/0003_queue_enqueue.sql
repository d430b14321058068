-- Putting jobs in: one SQL contract for the Rust library, HTTP and any other language, in the caller's transaction.
-- Errors carry an SQLSTATE of class LS and, in DETAIL, the field that is wrong (docs/SQL.md lists them).
set local role longshore_engine;

-- Refuses a team other than the one this transaction was opened for. The api and the workers must have opened one.
create function queue.guard_team(team uuid) returns void
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  if team is null then
    raise exception 'team_id is missing' using errcode = 'LS007', detail = 'team_id', hint = 'Pass the id of the team the job belongs to.';
  end if;
  if longshore.current_team() is distinct from team
     and (longshore.current_team() is not null or session_user in ('longshore_api', 'longshore_worker')) then
    raise exception 'this transaction may not act for team %', team
      using errcode = 'LS007', detail = 'team_id', hint = 'Set app.team_id to that team for the transaction, or leave it unset.';
  end if;
end $$;

-- What is wrong with a job, as "SQLSTATE|field|sentence|hint"; null when it may be enqueued.
create function queue.problem(k queue.kinds, payload jsonb, idempotency_key text, run_at timestamptz, priority smallint) returns text
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  wrong text;
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
      return format('LS002|payload.%s|kind %s has no field %s|Known fields: %s.', wrong, k.kind, wrong,
        (select string_agg(n, ', ' order by n) from jsonb_object_keys(k.fields) n));
    end if;
    return format('LS002|payload.%s|field %s must be %s, not %s|Correct the type.', wrong, wrong,
      (select string_agg(t, ' or ') from jsonb_array_elements_text(k.fields -> wrong) t), jsonb_typeof(payload -> wrong));
  end if;
  if jsonb_path_exists(payload, '$.**{33 to last}') then
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

create function queue.refuse(problem text) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  part text[] := string_to_array(problem, '|');
begin
  raise exception '%', part[3] using errcode = part[1], detail = part[2], hint = part[4];
end $$;

-- Takes an idempotency key for a job: returns null when the key is new (and now names `job`), else the job it names.
-- Waits for a transaction that holds the same key: if it rolls back, the key is ours.
create function queue.take_key(team uuid, kind text, idempotency_key text, payload jsonb, job bigint, lifetime interval) returns bigint
language plpgsql set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  d bytea := sha256(convert_to(idempotency_key, 'UTF8'));
  body bytea := sha256(convert_to(payload::text, 'UTF8'));
  holder queue.keys;
begin
  for try in 1..5 loop
    insert into queue.keys as k (team_id, kind, digest, body_digest, job_id, expires_at)
    values (team, take_key.kind, d, body, job, now() + lifetime)
    on conflict (team_id, kind, digest) do update
      set job_id = excluded.job_id, body_digest = excluded.body_digest, expires_at = excluded.expires_at
      where k.expires_at <= now()
    returning * into holder;
    if found then return null; end if;
    select * into holder from queue.keys k where k.team_id = team and k.kind = take_key.kind and k.digest = d;
    if found then
      if holder.body_digest <> body then
        raise exception 'idempotency key % was used for another payload', quote_literal(left(idempotency_key, 64))
          using errcode = 'LS006', detail = 'idempotency_key',
            hint = format('It names job %s. Use a new key for new work.', holder.job_id);
      end if;
      return holder.job_id;
    end if;
  end loop;
  raise exception 'idempotency key is being changed by others' using errcode = '40001', hint = 'Try the transaction again.';
end $$;

-- Accepts one job. Returns its id, or the id of the job that the same idempotency key named first.
-- The job exists when the caller's transaction commits, and not before.
create function queue.enqueue(
  team_id uuid,
  kind text,
  payload jsonb,
  idempotency_key text default null,
  run_at timestamptz default null,
  priority smallint default null,
  correlation_id text default null,
  parent_id bigint default null,
  key_lifetime interval default '30 days',
  out job_id bigint,
  out deduplicated boolean
)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  k queue.kinds;
  first_id bigint;
  p smallint;
  wrong text;
begin
  perform queue.guard_team(enqueue.team_id);
  select * into k from queue.kinds where kind = enqueue.kind;
  if not found then
    raise exception 'unknown kind %', quote_literal(left(enqueue.kind, 64)) using errcode = 'LS001', detail = 'kind',
      hint = 'Known kinds: ' || coalesce((select string_agg(kind, ', ' order by kind) from queue.kinds), 'none; run longshore migrate') || '.';
  end if;
  wrong := queue.problem(k, enqueue.payload, enqueue.idempotency_key, enqueue.run_at, enqueue.priority);
  if wrong is not null then perform queue.refuse(wrong); end if;

  job_id := nextval('queue.job_ids');
  deduplicated := false;
  if enqueue.idempotency_key is not null then
    first_id := queue.take_key(enqueue.team_id, k.kind, enqueue.idempotency_key, enqueue.payload, job_id, enqueue.key_lifetime);
    if first_id is not null then
      job_id := first_id;
      deduplicated := true;
      return;
    end if;
  end if;
  p := coalesce(enqueue.priority, k.priority);
  insert into queue.jobs (id, team_id, queue_id, kind, version, priority, max_attempts, payload, key_digest, correlation_id, parent_id)
  values (job_id, enqueue.team_id, k.queue_id, k.kind, k.version, p, k.max_attempts, enqueue.payload,
    sha256(convert_to(enqueue.idempotency_key, 'UTF8')), left(enqueue.correlation_id, 128), enqueue.parent_id);
  if enqueue.run_at > now() then
    insert into queue.scheduled (job_id, team_id, run_at, queue_id, kind, priority, attempt, reason)
    values (job_id, enqueue.team_id, enqueue.run_at, k.queue_id, k.kind, p, 0, 'delayed');
  else
    insert into queue.ready (queue_id, team_id, priority, first_job, jobs, kind)
    values (k.queue_id, enqueue.team_id, p, job_id, array[job_id], k.kind);
  end if;
end $$;

-- Accepts many jobs of one team and kind with one statement: the arrays run in parallel; `idempotency_keys`,
-- `run_ats` and `priorities` may be null or hold nulls. Each row reports its own result in its own place:
-- a duplicate or a bad row never fails its neighbours.
create function queue.enqueue_many(
  team_id uuid,
  kind text,
  payloads jsonb[],
  idempotency_keys text[] default null,
  run_ats timestamptz[] default null,
  priorities smallint[] default null,
  correlation_id text default null,
  parent_id bigint default null,
  key_lifetime interval default '30 days'
) returns table (ordinal integer, job_id bigint, deduplicated boolean, problem text)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  k queue.kinds;
begin
  perform queue.guard_team(enqueue_many.team_id);
  select * into k from queue.kinds where kind = enqueue_many.kind;
  if not found then
    raise exception 'unknown kind %', quote_literal(left(enqueue_many.kind, 64)) using errcode = 'LS001', detail = 'kind',
      hint = 'Known kinds: ' || coalesce((select string_agg(kind, ', ' order by kind) from queue.kinds), 'none; run longshore migrate') || '.';
  end if;
  return query
  with given as materialized (
    select i.n::integer as n, i.payload, i.key, i.run_at, coalesce(i.priority, k.priority) as priority,
      queue.problem(k, i.payload, i.key, i.run_at, i.priority) as problem
    from unnest(payloads, idempotency_keys, run_ats, priorities) with ordinality as i(payload, key, run_at, priority, n)
  ), keyed as materialized (
    select g.n, g.payload, g.run_at, g.priority, g.key, nextval('queue.job_ids') as id,
      sha256(convert_to(g.key, 'UTF8')) as digest, sha256(convert_to(g.payload::text, 'UTF8')) as body
    from given g where g.problem is null and g.key is not null
  ), offered as (
    -- Sorted, so that two callers with the same keys wait for each other instead of deadlocking.
    select distinct on (digest) * from keyed order by digest, n
  ), taken as (
    insert into queue.keys as held (team_id, kind, digest, body_digest, job_id, expires_at)
    select enqueue_many.team_id, k.kind, o.digest, o.body, o.id, now() + enqueue_many.key_lifetime from offered o order by o.digest
    on conflict (team_id, kind, digest) do update
      set job_id = case when held.expires_at <= now() then excluded.job_id else held.job_id end,
          body_digest = case when held.expires_at <= now() then excluded.body_digest else held.body_digest end,
          expires_at = case when held.expires_at <= now() then excluded.expires_at else held.expires_at end
    returning held.digest, held.body_digest, held.job_id
  ), resolved as (
    select y.n, y.payload, y.run_at, y.priority, y.digest, t.job_id as id, t.job_id = y.id as fresh, t.body_digest = y.body as same
    from keyed y join taken t using (digest)
  ), fresh as materialized (
    select r.n, r.id, r.payload, r.run_at, r.priority, r.digest from resolved r where r.fresh
    union all
    select g.n, nextval('queue.job_ids'), g.payload, g.run_at, g.priority, null from given g where g.problem is null and g.key is null
  ), written as (
    insert into queue.jobs (id, team_id, queue_id, kind, version, priority, max_attempts, payload, key_digest, correlation_id, parent_id)
    select f.id, enqueue_many.team_id, k.queue_id, k.kind, k.version, f.priority, k.max_attempts, f.payload, f.digest,
      left(enqueue_many.correlation_id, 128), enqueue_many.parent_id
    from fresh f
  ), later as (
    insert into queue.scheduled (job_id, team_id, run_at, queue_id, kind, priority, attempt, reason)
    select f.id, enqueue_many.team_id, f.run_at, k.queue_id, k.kind, f.priority, 0, 'delayed' from fresh f where f.run_at > now()
  ), chunked as (
    select f.id, f.priority, (row_number() over (partition by f.priority order by f.id) - 1) / 200 as chunk
    from fresh f where f.run_at is null or f.run_at <= now()
  ), readied as (
    insert into queue.ready (queue_id, team_id, priority, first_job, jobs, kind)
    select k.queue_id, enqueue_many.team_id, c.priority, min(c.id), array_agg(c.id order by c.id), k.kind
    from chunked c group by c.priority, c.chunk
  )
  select g.n, coalesce(r.id, f.id), r.n is not null and not r.fresh,
    coalesce(g.problem, case when not r.same then
      'LS006|idempotency_key|idempotency key was used for another payload|It names job ' || r.id || '. Use a new key for new work.' end)
  from given g left join resolved r using (n) left join fresh f using (n)
  order by g.n;
end $$;

grant execute on function queue.enqueue(uuid, text, jsonb, text, timestamptz, smallint, text, bigint, interval) to longshore_producer;
grant execute on function queue.enqueue_many(uuid, text, jsonb[], text[], timestamptz[], smallint[], text, bigint, interval) to longshore_producer;

-- Announces what a build can run. An older build never takes back what a newer one announced.
create function queue.register(kinds jsonb) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  insert into queue.queues (name)
  select distinct k ->> 'queue' from jsonb_array_elements(kinds) k
  where not exists (select from queue.queues q where q.name = k ->> 'queue')
  on conflict do nothing;
  insert into queue.kinds as have (kind, queue_id, version, priority, max_attempts, timeout, price, required, fields, schema, aliases)
  select k ->> 'kind', q.id, (k ->> 'version')::smallint, (k ->> 'priority')::smallint, (k ->> 'max_attempts')::smallint,
    make_interval(secs => (k ->> 'timeout_seconds')::double precision), (k ->> 'price')::bigint,
    array(select jsonb_array_elements_text(k -> 'required')), k -> 'fields', k -> 'schema',
    array(select jsonb_array_elements_text(k -> 'aliases'))
  from jsonb_array_elements(kinds) k join queue.queues q on q.name = k ->> 'queue'
  order by k ->> 'kind'
  on conflict (kind) do update set queue_id = excluded.queue_id, version = excluded.version, priority = excluded.priority,
    max_attempts = excluded.max_attempts, timeout = excluded.timeout, price = excluded.price, required = excluded.required,
    fields = excluded.fields, schema = excluded.schema, aliases = excluded.aliases, registered_at = now()
  where excluded.version >= have.version
    and (have.queue_id, have.version, have.priority, have.max_attempts, have.timeout, have.price, have.required, have.fields, have.schema, have.aliases)
      is distinct from (excluded.queue_id, excluded.version, excluded.priority, excluded.max_attempts, excluded.timeout, excluded.price,
        excluded.required, excluded.fields, excluded.schema, excluded.aliases);
end $$;
grant execute on function queue.register(jsonb) to longshore_api, longshore_worker, longshore_scheduler, longshore_operator, longshore_migrator;

reset role;
