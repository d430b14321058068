-- The door's form of enqueue: jobs of one team and of any kinds with one statement (src/api/coalesce.rs).
set local role longshore_engine;

-- Accepts many jobs of one team, whatever their kinds. The arrays run in parallel; all but `kinds` and `payloads` may
-- hold nulls. Each row reports its own result in its own place: an unknown kind, a duplicate or a bad row never fails
-- its neighbours. Checks, keys and places are those of queue.enqueue.
create function queue.enqueue_each(
  team_id uuid,
  kinds text[],
  payloads jsonb[],
  idempotency_keys text[],
  run_ats timestamptz[],
  priorities smallint[],
  correlation_ids text[],
  key_lifetime interval default '30 days'
) returns table (ordinal integer, job_id bigint, deduplicated boolean, problem text)
language plpgsql security definer set search_path = pg_catalog, pg_temp set plan_cache_mode = force_generic_plan set jit = off as $$
#variable_conflict use_column
begin
  perform queue.guard_team(enqueue_each.team_id);
  return query
  with given as materialized (
    select i.n::integer as n, k.kind, k.queue_id, k.version, k.max_attempts, i.payload, i.key, i.run_at,
      coalesce(i.priority, k.priority) as priority, i.correlation,
      case when k.kind is null then
        'LS001|kind|unknown kind ' || quote_literal(left(translate(i.kind, '|', ' '), 64)) || '|Known kinds: '
          || coalesce((select string_agg(x.kind, ', ' order by x.kind) from queue.kinds x), 'none; run longshore migrate') || '.'
      else queue.problem(k, i.payload, i.key, i.run_at, i.priority) end as problem
    from unnest(kinds, payloads, idempotency_keys, run_ats, priorities, correlation_ids)
      with ordinality as i(kind, payload, key, run_at, priority, correlation, n)
    left join queue.kinds k on k.kind = i.kind
  ), keyed as materialized (
    select g.n, g.kind, nextval('queue.job_ids') as id,
      sha256(convert_to(g.key, 'UTF8')) as digest, sha256(convert_to(g.payload::text, 'UTF8')) as body
    from given g where g.problem is null and g.key is not null
  ), offered as (
    select distinct on (y.kind, y.digest) y.* from keyed y order by y.kind, y.digest, y.n
  ), taken as (
    -- Sorted, so that two callers with the same keys wait for each other instead of deadlocking.
    insert into queue.keys as held (team_id, kind, digest, body_digest, job_id, expires_at)
    select enqueue_each.team_id, o.kind, o.digest, o.body, o.id, now() + enqueue_each.key_lifetime from offered o order by o.kind, o.digest
    on conflict (team_id, kind, digest) do update
      set job_id = case when held.expires_at <= now() then excluded.job_id else held.job_id end,
          body_digest = case when held.expires_at <= now() then excluded.body_digest else held.body_digest end,
          expires_at = case when held.expires_at <= now() then excluded.expires_at else held.expires_at end
    returning held.kind, held.digest, held.body_digest, held.job_id
  ), resolved as materialized (
    select y.n, y.digest, t.job_id as id, t.job_id = y.id as fresh, t.body_digest = y.body as same
    from keyed y join taken t on t.kind = y.kind and t.digest = y.digest
  ), fresh as materialized (
    select g.*, coalesce(r.id, nextval('queue.job_ids')) as id, r.digest
    from given g left join resolved r on r.n = g.n
    where g.problem is null and (g.key is null or r.fresh)
  ), written as (
    insert into queue.jobs (id, team_id, queue_id, kind, version, priority, max_attempts, payload, key_digest, correlation_id)
    select f.id, enqueue_each.team_id, f.queue_id, f.kind, f.version, f.priority, f.max_attempts, f.payload, f.digest, left(f.correlation, 128)
    from fresh f
  ), later as (
    insert into queue.scheduled (job_id, team_id, run_at, queue_id, kind, priority, attempt, reason)
    select f.id, enqueue_each.team_id, f.run_at, f.queue_id, f.kind, f.priority, 0, 'delayed' from fresh f where f.run_at > now()
  ), chunked as (
    select f.id, f.queue_id, f.kind, f.priority, (row_number() over (partition by f.queue_id, f.kind, f.priority order by f.id) - 1) / 200 as chunk
    from fresh f where f.run_at is null or f.run_at <= now()
  ), readied as (
    insert into queue.ready (queue_id, team_id, priority, first_job, jobs, kind)
    select c.queue_id, enqueue_each.team_id, c.priority, min(c.id), array_agg(c.id order by c.id), c.kind
    from chunked c group by c.queue_id, c.kind, c.priority, c.chunk
  )
  select g.n, coalesce(f.id, r.id), r.n is not null and not r.fresh,
    coalesce(g.problem, case when not r.same then
      'LS006|idempotency_key|idempotency key was used for another payload|It names job_' || r.id || '. Use a new key for new work.' end)
  from given g left join resolved r on r.n = g.n left join fresh f on f.n = g.n
  order by g.n;
end $$;
grant execute on function queue.enqueue_each(uuid, text[], jsonb[], text[], timestamptz[], smallint[], text[], interval) to longshore_producer;

reset role;
