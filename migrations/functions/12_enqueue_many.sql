-- Putting many jobs in with one statement, each answering for itself.
set local role longshore_engine;

-- Accepts many jobs of one team, whatever their kinds, with one statement. The arrays run in parallel; all but `kinds` and
-- `payloads` may be null or hold nulls. Each row reports its own result in its own place: an unknown kind, a duplicate or
-- a bad row never fails its neighbours.
create or replace function queue.enqueue_each(
  team_id uuid,
  kinds text[],
  payloads jsonb[],
  idempotency_keys text[] default null,
  run_ats timestamptz[] default null,
  priorities smallint[] default null,
  correlation_ids text[] default null,
  key_lifetime interval default '30 days',
  parent_id bigint default null,
  key_scope text default 'period',
  on_conflict text default 'first',
  limit_keys text[] default null,
  limit_tos integer[] default null,
  batch_id bigint default null
) returns table (ordinal integer, job_id bigint, deduplicated boolean, problem text)
language plpgsql security definer set search_path = pg_catalog, pg_temp set plan_cache_mode = force_generic_plan set jit = off as $$
#variable_conflict use_column
declare
  k queue.kinds;
  required text[];
  names text[];
  types jsonpath;
  ids bigint[];
  q smallint;
begin
  if enqueue_each.team_id is null or longshore.current_team() <> enqueue_each.team_id
     or longshore.current_team() is null and session_user in ('longshore_api', 'longshore_worker') then
    perform queue.guard_team(enqueue_each.team_id);
  end if;
  -- Almost every list: sound jobs of one kind that has no cap, with nothing said beside their payloads.
  if kinds[1] = all (kinds) and cardinality(kinds) = cardinality(payloads) and enqueue_each.batch_id is null
     and enqueue_each.key_scope = 'period' and enqueue_each.on_conflict = 'first'
     and coalesce(cardinality(array_remove(idempotency_keys, null)), 0) = 0 and coalesce(cardinality(array_remove(run_ats, null)), 0) = 0
     and coalesce(cardinality(array_remove(priorities, null)), 0) = 0 and coalesce(cardinality(array_remove(limit_keys, null)), 0) = 0
     and coalesce(cardinality(correlation_ids), 0) <= cardinality(payloads) then
    select x.* into k from queue.kinds x where x.kind = kinds[1] and x.flat and not x.capped;
    if found then
      required := k.required;
      names := k.names;
      types := k.types;
      if (select bool_and(coalesce(queue.has_shape(p, required, names, types), false)) from unnest(payloads) p) then
        ids := array(select nextval('queue.job_ids') from generate_series(1, cardinality(payloads)));
        insert into queue.jobs (id, team_id, keep, queue_id, kind, version, priority, max_attempts, payload, correlation_id, parent_id)
        select i.id, enqueue_each.team_id, k.keep, k.queue_id, k.kind, k.version, k.priority, k.max_attempts, i.payload,
          left(i.correlation, 128), enqueue_each.parent_id
        from unnest(ids, payloads, correlation_ids) i(id, payload, correlation);
        insert into queue.ready (queue_id, team_id, kind, priority, first_job, jobs, keep)
        select k.queue_id, enqueue_each.team_id, k.kind, k.priority, ids[first], ids[first:first + 199], k.keep
        from generate_series(1, cardinality(ids), 200) first;
        if exists (select from queue.sleepers s where s.queue_id = k.queue_id) then perform pg_notify('longshore_' || k.queue_id, ''); end if;
        return query select i.n::integer, i.id, false, null::text from unnest(ids) with ordinality i(id, n);
        return;
      end if;
    end if;
  end if;
  perform queue.refuse(x) from queue.wrong_option(enqueue_each.key_scope, enqueue_each.on_conflict, null, null) x where x is not null;
  if enqueue_each.key_scope = 'unfinished' or enqueue_each.on_conflict <> 'first' then
    return query select e.* from queue.enqueue_one_by_one(enqueue_each.team_id, kinds, payloads, idempotency_keys, run_ats, priorities,
      correlation_ids, enqueue_each.key_lifetime, enqueue_each.parent_id, enqueue_each.key_scope, enqueue_each.on_conflict,
      limit_keys, limit_tos, enqueue_each.batch_id) e;
    return;
  end if;
  if exists (select from (select distinct n from unnest(kinds) n) x where not exists (select from queue.kinds k where k.kind = x.n)) then
    kinds := array(select coalesce(a.kind, i.name) from unnest(kinds) with ordinality i(name, n)
      left join queue.kinds a on i.name = any (a.aliases) order by i.n);
  end if;
  return query
  with known as materialized (
    select k, k.kind, k.queue_id, k.version, k.max_attempts, k.priority, k.keep,
      case when k.capped then queue.room(enqueue_each.team_id, k.queue_id) end as room
    from queue.kinds k
    where k.kind = any (kinds)
  ), given as materialized (
    select i.n::integer as n, k.kind, k.queue_id, k.keep, k.version, k.max_attempts, i.payload, i.key, i.run_at,
      coalesce(i.priority, k.priority) as priority, i.correlation, i.limit_key,
      case when i.limit_key is not null then coalesce(i.limit_to, 1) end as limit_to,
      case
        when k.kind is null then queue.unknown_kind(i.kind)
        when i.n > k.room then queue.no_room(k.queue_id)
        when i.limit_key is not null and queue.wrong_option('period', 'first', i.limit_key, i.limit_to) is not null then
          queue.wrong_option('period', 'first', i.limit_key, i.limit_to)
        when queue.is_sound(k.k, i.payload, i.key, i.run_at, i.priority) then null
        else queue.problem(k.k, i.payload, i.key, i.run_at, i.priority)
      end as problem
    from unnest(kinds, payloads, idempotency_keys, run_ats, priorities, correlation_ids, limit_keys, limit_tos)
      with ordinality as i(kind, payload, key, run_at, priority, correlation, limit_key, limit_to, n)
    left join known k on k.kind = i.kind
  ), keyed as materialized (
    select g.n, g.kind, nextval('queue.job_ids') as id,
      sha256(convert_to(g.key, 'UTF8')) as digest, sha256(convert_to(g.payload::text, 'UTF8')) as body
    from given g where g.problem is null and g.key is not null
  ), offered as (
    select distinct on (y.kind, y.digest) y.* from keyed y order by y.kind, y.digest, y.n
  ), taken as (
    -- Sorted, so that two callers with the same keys wait for each other instead of deadlocking.
    insert into queue.keys as held (team_id, kind, digest, body_digest, job_id, expires_at)
    select enqueue_each.team_id, o.kind, o.digest, o.body, o.id,
      case enqueue_each.key_scope when 'period' then now() + enqueue_each.key_lifetime else 'infinity' end
    from offered o order by o.kind, o.digest
    on conflict (team_id, kind, digest) do update
      set (job_id, body_digest, expires_at, while_unfinished) = (
        select case when x.free then excluded.job_id else held.job_id end,
          case when x.free then excluded.body_digest else held.body_digest end,
          case when x.free then excluded.expires_at else held.expires_at end,
          held.while_unfinished and not x.free
        -- A key is free when its time is over, and where it stood for a job, when that is.
        from (select held.expires_at <= now() or (held.while_unfinished and queue.has_ended(held.job_id, held.team_id)) as free) x)
    returning held.kind, held.digest, held.body_digest, held.job_id
  ), resolved as materialized (
    select y.n, y.digest, t.job_id as id, t.job_id = y.id as fresh, t.body_digest = y.body as same
    from keyed y join taken t on t.kind = y.kind and t.digest = y.digest
  ), fresh as materialized (
    select g.*, coalesce(r.id, nextval('queue.job_ids')) as id, r.digest
    from given g left join resolved r on r.n = g.n
    where g.problem is null and (g.key is null or r.fresh)
    order by g.n -- and so the ids follow the rows
  ), written as (
    insert into queue.jobs (id, team_id, keep, queue_id, kind, version, priority, max_attempts, payload, key_digest, correlation_id, parent_id,
      limit_key, limit_to, batch_id)
    select f.id, enqueue_each.team_id, f.keep, f.queue_id, f.kind, f.version, f.priority, f.max_attempts, f.payload, f.digest,
      left(f.correlation, 128), enqueue_each.parent_id,
      f.limit_key, f.limit_to, enqueue_each.batch_id
    from fresh f
  ), later as (
    insert into queue.scheduled (job_id, team_id, run_at, queue_id, kind, priority, keep, attempt, special, limit_key, limit_to, reason)
    select f.id, enqueue_each.team_id, f.run_at, f.queue_id, f.kind, f.priority, f.keep, 0,
      f.limit_key is not null or enqueue_each.batch_id is not null, f.limit_key, f.limit_to, 'delayed'
    from fresh f where f.run_at > now()
  ), readied as (
    insert into queue.ready (queue_id, team_id, kind, priority, first_job, jobs, keep, special, limit_key, limit_to)
    -- Sorted, because a chunk is looked for by its first job; the ids of jobs with a key come before their neighbours'.
    select f.queue_id, enqueue_each.team_id, f.kind, f.priority, min(f.id), array_agg(f.id order by f.id), f.keep,
      f.limit_key is not null or enqueue_each.batch_id is not null, f.limit_key, f.limit_to
    from fresh f where f.run_at is null or f.run_at <= now()
    group by f.queue_id, f.kind, f.priority, f.keep, f.limit_key, f.limit_to, (f.n - 1) / 200
  ), joined as (
    select queue.join_batch(enqueue_each.team_id, enqueue_each.batch_id, count(*)::integer) from fresh
    where enqueue_each.batch_id is not null having count(*) > 0
  )
  select g.n, coalesce(f.id, r.id), r.n is not null and not r.fresh,
    coalesce(g.problem, case when not r.same then
      'LS006|idempotency_key|idempotency key was used for another payload|It names job_' || r.id || '. Use a new key for new work.' end)
  from given g left join resolved r on r.n = g.n left join fresh f on f.n = g.n
  where (select count(*) from joined) >= 0
  order by g.n;
  for q in select distinct k.queue_id from queue.kinds k join queue.sleepers s on s.queue_id = k.queue_id where k.kind = any (kinds) loop
    perform pg_notify('longshore_' || q, '');
  end loop;
end $$;

-- The slow way for policies that look at the job which has the key: each row in a subtransaction of its own.
create or replace function queue.enqueue_one_by_one(
  team uuid, kinds text[], payloads jsonb[], idempotency_keys text[], run_ats timestamptz[], priorities smallint[], correlation_ids text[],
  key_lifetime interval, parent_id bigint, key_scope text, on_conflict text, limit_keys text[], limit_tos integer[], batch_id bigint
) returns table (ordinal integer, job_id bigint, deduplicated boolean, problem text)
language plpgsql set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  i record;
  field text;
  advice text;
begin
  for i in
    select * from unnest(kinds, payloads, idempotency_keys, run_ats, priorities, correlation_ids, limit_keys, limit_tos)
      with ordinality as u(kind, payload, key, run_at, priority, correlation, limit_key, limit_to, n)
  loop
    ordinal := i.n;
    job_id := null;
    deduplicated := false;
    problem := null;
    begin
      select e.job_id, e.deduplicated into job_id, deduplicated
      from queue.enqueue(team, i.kind, i.payload, i.key, i.run_at, i.priority, i.correlation, enqueue_one_by_one.parent_id,
        enqueue_one_by_one.key_lifetime, enqueue_one_by_one.key_scope, enqueue_one_by_one.on_conflict, i.limit_key,
        i.limit_to, enqueue_one_by_one.batch_id) e;
    exception when others then
      if sqlstate not like 'LS%' then raise; end if;
      get stacked diagnostics field = pg_exception_detail, advice = pg_exception_hint;
      problem := concat_ws('|', sqlstate, field, sqlerrm, advice);
    end;
    return next;
  end loop;
end $$;

-- Accepts many jobs of one team and kind: queue.enqueue_each for producers that have one kind.
create or replace function queue.enqueue_many(
  team_id uuid,
  kind text,
  payloads jsonb[],
  idempotency_keys text[] default null,
  run_ats timestamptz[] default null,
  priorities smallint[] default null,
  correlation_id text default null,
  parent_id bigint default null,
  key_lifetime interval default '30 days',
  key_scope text default 'period',
  on_conflict text default 'first',
  limit_keys text[] default null,
  limit_tos integer[] default null,
  batch_id bigint default null
) returns table (ordinal integer, job_id bigint, deduplicated boolean, problem text)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
begin
  if not exists (select from queue.kinds k where k.kind = enqueue_many.kind or enqueue_many.kind = any (k.aliases)) then
    perform queue.refuse(queue.unknown_kind(enqueue_many.kind));
  end if;
  return query select e.* from queue.enqueue_each(enqueue_many.team_id, array_fill(enqueue_many.kind, array[cardinality(payloads)]), payloads,
    idempotency_keys, run_ats, priorities,
    case when enqueue_many.correlation_id is not null then array_fill(enqueue_many.correlation_id, array[cardinality(payloads)]) end,
    enqueue_many.key_lifetime, enqueue_many.parent_id, enqueue_many.key_scope, enqueue_many.on_conflict, enqueue_many.limit_keys,
    enqueue_many.limit_tos, enqueue_many.batch_id) e;
end $$;

grant execute on function
  queue.enqueue_many(uuid, text, jsonb[], text[], timestamptz[], smallint[], text, bigint, interval, text, text, text[], integer[], bigint),
  queue.enqueue_each(uuid, text[], jsonb[], text[], timestamptz[], smallint[], text[], interval, bigint, text, text, text[], integer[], bigint)
  to longshore_producer;

reset role;
