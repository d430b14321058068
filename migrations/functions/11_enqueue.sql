-- Putting jobs in: one SQL contract for the Rust library, HTTP and any other language, in the caller's transaction.
set local role longshore_engine;

-- Takes an idempotency key for a job. `holder` null: the key is the job's now. Else it names the job that has it.
-- `after` is set where the key was taken from a job that was still waiting: when that one would have run.
-- Waits for a transaction that holds the same key: if that rolls back, the key is ours.
create or replace function queue.take_key(
  team uuid, kind text, idempotency_key text, payload jsonb, job bigint, lifetime interval, scope text, conflict text,
  out holder bigint, out after timestamptz
)
language plpgsql set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  d bytea := sha256(convert_to(idempotency_key, 'UTF8'));
  body bytea := sha256(convert_to(payload::text, 'UTF8'));
  until timestamptz := case scope when 'period' then now() + lifetime else 'infinity' end;
  held queue.keys;
  first queue.jobs;
  waited boolean;
begin
  for try in 1..5 loop
    insert into queue.keys as k (team_id, kind, digest, body_digest, job_id, expires_at, while_unfinished)
    values (team, take_key.kind, d, body, job, until, scope = 'unfinished')
    on conflict (team_id, kind, digest) do update
      set job_id = excluded.job_id, body_digest = excluded.body_digest, expires_at = excluded.expires_at, while_unfinished = excluded.while_unfinished
      where k.expires_at <= now()
    returning * into held;
    if found then return; end if;
    select * into held from queue.keys k where k.team_id = team and k.kind = take_key.kind and k.digest = d for update;
    continue when not found;
    if conflict = 'first' and not held.while_unfinished then
      exit;
    end if;
    if held.while_unfinished and queue.has_ended(held.job_id, team) then
      null; -- the job that had the key is over, and with it its claim to the key
    elsif conflict = 'first' or (conflict = 'replace' and held.body_digest = body) then
      exit;
    else
      select j.* into first from queue.jobs j where j.id = held.job_id and j.team_id = team;
      if found then
        select w.was, w.due into waited, take_key.after from queue.withdraw(first) w;
        if waited then
          perform queue.end_unrun(first, 'replaced by job_' || job);
          -- What the old payload was parked for need not concern the new one: that runs now.
          after := case when conflict = 'replace' then coalesce(nullif(after, 'infinity'), now()) end;
        elsif queue.has_ended(held.job_id, team) then
          exit; -- what it stood for is done, and the key still says so
        end if;
      end if;
    end if;
    -- A job that runs keeps running with what it was given; the key is the newer one's.
    update queue.keys k set job_id = job, body_digest = body, expires_at = until, while_unfinished = (scope = 'unfinished')
    where k.team_id = team and k.kind = take_key.kind and k.digest = d;
    return;
  end loop;
  if held is null then
    raise exception 'idempotency key is being changed by others' using errcode = '40001', hint = 'Try the transaction again.';
  end if;
  if conflict = 'first' and held.body_digest <> body then
    raise exception 'idempotency key % was used for another payload', quote_literal(left(idempotency_key, 64))
      using errcode = 'LS006', detail = 'idempotency_key', hint = format('It names job_%s. Use a new key for new work.', held.job_id);
  end if;
  holder := held.job_id;
end $$;

-- Ends a job that never ran: on record as cancelled, with the reason.
create or replace function queue.end_unrun(j queue.jobs, reason text) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  insert into queue.outcomes (job_id, team_id, keep, fence, attempt, outcome) values (j.id, j.team_id, j.keep, 0, 0, 3);
  insert into queue.attempts (job_id, team_id, keep, attempt, fence, result, error) values (j.id, j.team_id, j.keep, 0, 0, 'cancelled', reason);
  if j.batch_id is not null then
    insert into queue.batch_moves (team_id, batch_id, cancelled) values (j.team_id, j.batch_id, 1);
  end if;
  perform longshore.job_ended(j, 3::smallint, 0::smallint, reason);
end $$;

-- Accepts one job. Returns its id, or the id of the job that the same idempotency key named first.
-- The job exists when the caller's transaction commits, and not before.
-- `key_scope`: how long the key stands: period (key_lifetime), unfinished (until its job ends), forever.
-- `on_conflict`: what the same key means while it stands: first (answer that job), replace (its payload, if it still
-- waits; its time stays), debounce (its payload and its time).
-- `limit_key`, `limit_to`: at most so many jobs of the team with that key run at once.
-- `chain`: jobs as [{"kind": …, "payload": …}, …], each enqueued when the one before is done, in the same transaction.
create or replace function queue.enqueue(
  team_id uuid,
  kind text,
  payload jsonb,
  idempotency_key text default null,
  run_at timestamptz default null,
  priority smallint default null,
  correlation_id text default null,
  parent_id bigint default null,
  key_lifetime interval default '30 days',
  key_scope text default 'period',
  on_conflict text default 'first',
  limit_key text default null,
  limit_to integer default null,
  batch_id bigint default null,
  chain jsonb default null,
  out job_id bigint,
  out deduplicated boolean
)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  renamed text;
  special boolean;
  sleeping smallint;
  k queue.kinds;
  taken record;
  p smallint;
  due timestamptz := enqueue.run_at;
begin
  if enqueue.team_id is null or longshore.current_team() <> enqueue.team_id
     or longshore.current_team() is null and session_user in ('longshore_api', 'longshore_worker') then
    perform queue.guard_team(enqueue.team_id);
  end if;
  deduplicated := false;
  -- Almost every job: one statement for all of it, because each further one costs as much as a row.
  if enqueue.idempotency_key is null and enqueue.batch_id is null and enqueue.chain is null and enqueue.limit_key is null
     and enqueue.run_at is null and enqueue.priority is null and enqueue.key_scope = 'period' and enqueue.on_conflict = 'first' then
    with job as (
      insert into queue.jobs (team_id, keep, queue_id, kind, version, priority, max_attempts, payload, correlation_id, parent_id)
      select enqueue.team_id, x.keep, x.queue_id, x.kind, x.version, x.priority, x.max_attempts, enqueue.payload,
        left(enqueue.correlation_id, 128), enqueue.parent_id
      from queue.kinds x
      where x.kind = enqueue.kind and not x.capped and x.flat
        and queue.has_shape(enqueue.payload, x.required, x.names, x.types)
      returning id, keep, queue_id, kind, priority
    )
    insert into queue.ready as r (queue_id, team_id, kind, priority, first_job, jobs, keep)
    select j.queue_id, enqueue.team_id, j.kind, j.priority, j.id, array[j.id], j.keep from job j
    returning r.first_job, case when exists (select from queue.sleepers s where s.queue_id = r.queue_id) then r.queue_id end
    into enqueue.job_id, sleeping;
    if found then
      if sleeping is not null then perform pg_notify('longshore_' || sleeping, ''); end if;
      return;
    end if;
  end if;

  for try in 1..2 loop
    select x.* into k from queue.kinds x where x.kind = enqueue.kind;
    exit when found;
    select x.kind into renamed from queue.kinds x where enqueue.kind = any (x.aliases);
    if not found then perform queue.refuse(queue.unknown_kind(enqueue.kind)); end if;
    enqueue.kind := renamed;
  end loop;
  if not queue.is_sound(k, enqueue.payload, enqueue.idempotency_key, enqueue.run_at, enqueue.priority) then
    perform queue.refuse(x) from queue.problem(k, enqueue.payload, enqueue.idempotency_key, enqueue.run_at, enqueue.priority) x where x is not null;
  end if;
  if enqueue.limit_key is not null or enqueue.key_scope <> 'period' or enqueue.on_conflict <> 'first' then
    perform queue.refuse(x) from queue.wrong_option(enqueue.key_scope, enqueue.on_conflict, enqueue.limit_key, enqueue.limit_to) x
    where x is not null;
  end if;
  if k.capped and queue.room(enqueue.team_id, k.queue_id) = 0 then
    perform queue.refuse(queue.no_room(k.queue_id));
  end if;

  job_id := nextval('queue.job_ids');
  if enqueue.idempotency_key is not null then
    select * into taken from queue.take_key(enqueue.team_id, k.kind, enqueue.idempotency_key, enqueue.payload, job_id,
      enqueue.key_lifetime, enqueue.key_scope, enqueue.on_conflict);
    if taken.holder is not null then
      job_id := taken.holder;
      deduplicated := true;
      return;
    end if;
    due := coalesce(taken.after, due);
  end if;
  if enqueue.chain is not null then
    perform queue.check_chain(enqueue.chain);
  end if;
  if enqueue.batch_id is not null then
    perform queue.join_batch(enqueue.team_id, enqueue.batch_id, 1);
  end if;
  p := coalesce(enqueue.priority, k.priority);
  special := enqueue.limit_key is not null or enqueue.batch_id is not null or enqueue.chain is not null;
  if due > now() then
    insert into queue.scheduled (job_id, team_id, run_at, queue_id, kind, priority, keep, attempt, special, limit_key, limit_to, reason)
    values (job_id, enqueue.team_id, due, k.queue_id, k.kind, p, k.keep, 0, special, enqueue.limit_key, enqueue.limit_to, 'delayed');
  end if;
  -- One statement for both rows: each further one costs as much as a row.
  with job as (
    insert into queue.jobs (id, team_id, keep, queue_id, kind, version, priority, max_attempts, payload, key_digest, correlation_id, parent_id,
      limit_key, limit_to, batch_id, chain)
    values (job_id, enqueue.team_id, k.keep, k.queue_id, k.kind, k.version, p, k.max_attempts, enqueue.payload,
      sha256(convert_to(enqueue.idempotency_key, 'UTF8')), left(enqueue.correlation_id, 128), enqueue.parent_id,
      enqueue.limit_key, case when enqueue.limit_key is not null then greatest(1, enqueue.limit_to) end, enqueue.batch_id, enqueue.chain)
  )
  insert into queue.ready (queue_id, team_id, kind, priority, first_job, jobs, keep, special, limit_key, limit_to)
  select k.queue_id, enqueue.team_id, k.kind, p, job_id, array[job_id], k.keep, special, enqueue.limit_key, enqueue.limit_to
  where due is null or due <= now();
  if exists (select from queue.sleepers s where s.queue_id = k.queue_id) and (due is null or due <= now()) then
    perform pg_notify('longshore_' || k.queue_id, '');
  end if;
end $$;

-- Refuses a chain that could never go on: every link is looked at when the first job is enqueued.
create or replace function queue.check_chain(chain jsonb) returns void
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  link jsonb;
  n integer := 0;
  k queue.kinds;
begin
  if jsonb_typeof(chain) <> 'array' or jsonb_array_length(chain) not between 1 and 100 then
    perform queue.refuse('LS015|chain|a chain is an array of 1 to 100 jobs|Pass [{"kind": …, "payload": …}, …].');
  end if;
  for link in select x from jsonb_array_elements(chain) x loop
    select x.* into k from queue.kinds x where x.kind = link ->> 'kind';
    if not found then perform queue.refuse(replace(queue.unknown_kind(coalesce(link ->> 'kind', '')), '|kind|', format('|chain.%s.kind|', n))); end if;
    perform queue.refuse(regexp_replace(x, '^(LS[0-9]+)\|', format('\1|chain.%s.', n)))
    from coalesce(queue.problem(k, link -> 'payload', null, null, null),
      queue.wrong_option('period', 'first', link ->> 'limit_key', (link ->> 'limit_to')::integer)) x where x is not null;
    n := n + 1;
  end loop;
end $$;

-- Enqueues what was promised when something else was accepted: the next link of a chain, the job behind a batch. Nothing is
-- refused any more: a cap that is reached, or a newer build that no longer takes the payload, must neither hold up the end
-- of the job before nor break the promise. A job that can't run ends dead, with its reason.
create or replace function queue.follow(team uuid, link jsonb, correlation text, parent bigint default null, rest jsonb default null) returns bigint
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  k queue.kinds;
  job constant bigint := nextval('queue.job_ids');
  lkey constant text := link ->> 'limit_key';
  lto constant integer := case when lkey is not null then coalesce((link ->> 'limit_to')::integer, 1) end;
  special constant boolean := lkey is not null or rest is not null;
begin
  select x.* into k from queue.kinds x where x.kind = link ->> 'kind';
  insert into queue.jobs (id, team_id, keep, queue_id, kind, version, priority, max_attempts, payload, correlation_id, parent_id,
    limit_key, limit_to, chain)
  values (job, team, k.keep, k.queue_id, k.kind, k.version, k.priority, k.max_attempts, link -> 'payload', correlation, parent, lkey, lto, rest);
  insert into queue.ready (queue_id, team_id, kind, priority, first_job, jobs, keep, special, limit_key, limit_to)
  values (k.queue_id, team, k.kind, k.priority, job, array[job], k.keep, special, lkey, lto);
  if exists (select from queue.sleepers s where s.queue_id = k.queue_id) then perform pg_notify('longshore_' || k.queue_id, ''); end if;
  return job;
end $$;

grant execute on function
  queue.enqueue(uuid, text, jsonb, text, timestamptz, smallint, text, bigint, interval, text, text, text, integer, bigint, jsonb)
  to longshore_producer;

reset role;
