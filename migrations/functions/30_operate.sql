-- What operators and the scheduler do to the queue: dead letters, pauses, figures.
set local role longshore_engine;

drop function if exists queue.replay(uuid, bigint, text, jsonb, timestamptz), queue.discard(uuid, bigint, text),
  queue.resume(text, uuid, text);

-- Replays one dead letter as a new job with the whole envelope and its lineage. Each dead letter is replayed once.
-- `new_payload` null keeps the payload. The new job passes the same checks as any other.
create or replace function queue.replay_letter(team uuid, job bigint, by text, new_payload jsonb default null, run_at timestamptz default null) returns bigint
language plpgsql set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  d queue.dead;
  k queue.kinds;
  new_id bigint := nextval('queue.job_ids');
  keep smallint;
  special boolean;
  wrong text;
begin
  perform queue.guard_team(team);
  select * into d from queue.dead where job_id = job and team_id = team for update;
  if not found then
    raise exception 'job % is not a dead letter of this team', job using errcode = 'LS012', detail = 'job_id';
  end if;
  if d.replayed_at is not null then
    raise exception 'job % was replayed already, as job_%', job, d.replayed_as using errcode = 'LS013', detail = 'job_id',
      hint = 'Follow the newer job; if that dies, replay it.';
  end if;
  if d.discarded_at is not null then
    raise exception 'job % was discarded by %', job, d.settled_by using errcode = 'LS013', detail = 'job_id';
  end if;
  select * into k from queue.kinds where kind = d.kind;
  wrong := queue.problem(k, coalesce(new_payload, d.payload), null, replay_letter.run_at, d.priority);
  if wrong is not null then perform queue.refuse(wrong); end if;
  select q.history_days into keep from queue.queues q where q.id = k.queue_id;
  special := coalesce(d.limit_key, d.chain::text) is not null;
  -- Its batch counted it as dead and may be over: a replay goes its own way.
  insert into queue.jobs (id, team_id, keep, queue_id, kind, version, priority, max_attempts, payload, correlation_id, parent_id, replay_of, root_id,
    limit_key, limit_to, chain)
  values (new_id, team, keep, k.queue_id, d.kind, case when new_payload is null then d.version else k.version end, d.priority, k.max_attempts,
    coalesce(new_payload, d.payload), d.correlation_id, d.parent_id, d.job_id, coalesce(d.root_id, d.job_id), d.limit_key, d.limit_to, d.chain);
  if replay_letter.run_at > now() then
    insert into queue.scheduled (job_id, team_id, run_at, queue_id, kind, priority, keep, attempt, special, limit_key, limit_to, reason)
    values (new_id, team, replay_letter.run_at, k.queue_id, d.kind, d.priority, keep, 0, special, d.limit_key, d.limit_to, 'delayed');
  else
    insert into queue.ready (queue_id, team_id, kind, priority, first_job, jobs, keep, special, limit_key, limit_to)
    values (k.queue_id, team, d.kind, d.priority, new_id, array[new_id], keep, special, d.limit_key, d.limit_to);
    if exists (select from queue.sleepers s where s.queue_id = k.queue_id) then perform pg_notify('longshore_' || k.queue_id, ''); end if;
  end if;
  update queue.dead set replayed_as = new_id, replayed_at = now(), settled_by = by where job_id = job and team_id = team;
  return new_id;
end $$;

-- The same as a deed of its own, with its entry in the audit log. `deed`: the entry that speaks of this letter and others.
create or replace function queue.replay(team uuid, job bigint, by text, new_payload jsonb default null, run_at timestamptz default null,
  deed bigint default null) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  newer constant bigint := queue.replay_letter(team, job, by, new_payload, replay.run_at);
begin
  if not queue.has_deed(team, deed, 'dead.replay') then
    perform longshore.audit_deed(team, by, 'dead.replay', 'job_' || job, null, null,
      jsonb_build_object('replayed_as', newer, 'payload', case when new_payload is null then 'its own' else 'another' end));
  end if;
  return newer;
end $$;

-- Whether the audit log has that entry, of the team or of the house.
create or replace function queue.has_deed(team uuid, deed bigint, action text) returns boolean
language sql stable set search_path = pg_catalog, pg_temp as $$
  select exists (select from longshore.audit_log l
    where l.team_id in (team, '00000000-0000-0000-0000-000000000001') and l.seq = deed and l.action = has_deed.action)
$$;

-- Gives up one dead letter for good; it stays on record. True when it was open. `deed`: the entry in the audit log that speaks
-- of this letter and others.
create or replace function queue.discard(team uuid, job bigint, by text, deed bigint default null) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
begin
  perform queue.guard_team(team);
  update queue.dead set discarded_at = now(), settled_by = by
  where job_id = job and team_id = team and replayed_at is null and discarded_at is null;
  if not found then return false; end if;
  if not queue.has_deed(team, deed, 'dead.discard') then
    perform longshore.audit_deed(team, by, 'dead.discard', 'job_' || job, null, null, null);
  end if;
  return true;
end $$;

-- Stops claiming from a queue (null: all), of a team (null: all), of a kind (null: all), in every process at once, until it
-- is resumed. Running jobs go on. Two of them set at once are two conditions of one pause. False: no such queue or kind.
create or replace function queue.pause(queue_name text, by text, reason text, team uuid default null, kind text default null) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  q smallint := 0;
  was jsonb;
begin
  if team is not null then perform queue.guard_team(team); end if;
  if queue_name is not null then
    select x.id into q from queue.queues x where x.name = queue_name;
    if not found then return false; end if;
  end if;
  if pause.kind is not null and not exists (select from queue.kinds k where k.kind = pause.kind) then return false; end if;
  if queue_name is null and team is null and pause.kind is null then
    raise exception 'a pause needs a queue, a team or a kind' using errcode = 'LS016', hint = 'To pause all, pause each queue.';
  end if;
  select jsonb_build_object('paused', true, 'by', p.paused_by, 'reason', p.reason) into was from queue.pauses p
  where p.team_id = coalesce(team, '00000000-0000-0000-0000-000000000000') and p.queue_id = q and p.kind = coalesce(pause.kind, '');
  insert into queue.pauses as p (team_id, queue_id, kind, paused_by, reason)
  values (coalesce(team, '00000000-0000-0000-0000-000000000000'), q, coalesce(pause.kind, ''), by, pause.reason)
  on conflict (team_id, queue_id, kind) do update set paused_by = excluded.paused_by, reason = excluded.reason;
  perform longshore.audit_deed(team, by, 'queue.pause', queue.work_named(queue_name, pause.kind), pause.reason,
    coalesce(was, '{"paused": false}'), '{"paused": true}');
  return true;
end $$;

-- Which work a deed is about, in words.
create or replace function queue.work_named(queue_name text, kind text) returns text
language sql immutable set search_path = pg_catalog, pg_temp as $$
  select concat_ws(', ', coalesce('queue ' || queue_name, 'every queue'), 'kind ' || kind)
$$;

-- Takes back exactly that pause. False: there was none, or no such queue.
create or replace function queue.resume(queue_name text, team uuid default null, kind text default null, by text default null)
returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  q smallint := 0;
  was queue.pauses;
begin
  if team is not null then perform queue.guard_team(team); end if;
  if queue_name is not null then
    select x.id into q from queue.queues x where x.name = queue_name;
    if not found then return false; end if;
  end if;
  delete from queue.pauses p where p.team_id = coalesce(team, '00000000-0000-0000-0000-000000000000') and p.queue_id = q
    and p.kind = coalesce(resume.kind, '') returning * into was;
  if not found then return false; end if;
  perform pg_notify('longshore_' || s.queue_id, '') from (select distinct queue_id from queue.sleepers) s where q in (0, s.queue_id);
  perform longshore.audit_deed(team, by, 'queue.resume', queue.work_named(queue_name, resume.kind), null,
    jsonb_build_object('paused', true, 'by', was.paused_by, 'reason', was.reason, 'since', longshore.audit_moment(was.paused_at)),
    '{"paused": false}');
  return true;
end $$;

-- Sets a lane's weight, limit, rate and cap; nulls take its own setting away. Team null: every team without a setting of
-- its own. False: no such queue.
create or replace function queue.set_lane(queue_name text, team uuid, weight smallint, running_most integer, per_second double precision,
  burst integer, unfinished_most bigint) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  q smallint;
  was jsonb;
begin
  if team is not null then perform queue.guard_team(team); end if;
  select x.id into q from queue.queues x where x.name = queue_name;
  if not found then return false; end if;
  select to_jsonb(l) - array['team_id', 'queue_id', 'refills_at'] into was from queue.lanes l
  where l.team_id = coalesce(team, '00000000-0000-0000-0000-000000000000') and l.queue_id = q for update;
  insert into queue.lanes as l (team_id, queue_id, weight, running_most, per_second, burst, unfinished_most)
  values (coalesce(team, '00000000-0000-0000-0000-000000000000'), q, set_lane.weight, set_lane.running_most, set_lane.per_second,
    set_lane.burst, set_lane.unfinished_most)
  on conflict (team_id, queue_id) do update set weight = excluded.weight, running_most = excluded.running_most,
    per_second = excluded.per_second, burst = excluded.burst, unfinished_most = excluded.unfinished_most;
  update queue.kinds k set capped = exists (select from queue.lanes l where l.queue_id = q and l.unfinished_most is not null)
  where k.queue_id = q;
  perform longshore.audit_deed(team, null, 'lane.set', case when team is null then 'every lane of ' else 'lane in ' end || 'queue ' || queue_name,
    null, was, jsonb_build_object('weight', set_lane.weight, 'running_most', set_lane.running_most, 'per_second', set_lane.per_second,
      'burst', set_lane.burst, 'unfinished_most', set_lane.unfinished_most));
  return true;
end $$;

-- Sets a named rate, a team's or (team null) one that every team shares; `per_second` null takes it away.
create or replace function queue.set_bucket(team uuid, bucket text, per_second double precision, burst integer default null) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  whose constant uuid := coalesce(team, '00000000-0000-0000-0000-000000000000');
  was jsonb;
begin
  if team is not null then perform queue.guard_team(team); end if;
  select jsonb_build_object('per_second', b.per_second, 'burst', b.burst) into was from queue.buckets b
  where b.team_id = whose and b.name = bucket for update;
  if per_second is null then
    delete from queue.buckets b where b.team_id = whose and b.name = bucket;
    if found then perform longshore.audit_deed(team, null, 'bucket.remove', 'bucket ' || bucket, null, was, null); end if;
    return;
  end if;
  insert into queue.buckets (team_id, name, per_second, burst)
  values (whose, bucket, set_bucket.per_second, coalesce(set_bucket.burst, greatest(1, ceil(set_bucket.per_second))::integer))
  on conflict (team_id, name) do update set per_second = excluded.per_second, burst = excluded.burst;
  perform longshore.audit_deed(team, null, 'bucket.set', 'bucket ' || bucket, null, was,
    jsonb_build_object('per_second', set_bucket.per_second, 'burst', set_bucket.burst));
end $$;

-- Sets how many jobs of a team with a key run at once; null: as the jobs say. Jobs that were set aside are looked at anew.
create or replace function queue.set_key_limit(team uuid, key text, most integer) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  was integer;
begin
  perform queue.guard_team(team);
  select k.running_most into was from queue.key_limits k where k.team_id = team and k.limit_key = key for update;
  if most is null then
    delete from queue.key_limits k where k.team_id = team and k.limit_key = key;
  else
    insert into queue.key_limits (team_id, limit_key, running_most) values (team, key, most)
    on conflict (team_id, limit_key) do update set running_most = excluded.running_most;
  end if;
  perform queue.unblock(team, key);
  perform longshore.audit_deed(team, null, 'key_limit.set', 'limit key ' || key, null, jsonb_build_object('running_most', was),
    jsonb_build_object('running_most', most));
end $$;

-- Writes the depth of each queue for dashboards, and the backlog of each lane that the cap at the door compares with. One
-- process at a time; the others return at once.
create or replace function queue.measure() returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if not pg_try_advisory_xact_lock(7203441) then return; end if;
  perform set_config('synchronous_commit', 'off', true);
  with measured as materialized (
    select queue_id, team_id, 'ready' as state, sum(cardinality(jobs)) as jobs, min(ready_at) as oldest from queue.ready group by 1, 2
    union all
    select queue_id, team_id, 'ready', count(*), min(ready_at) from queue.suspects group by 1, 2
    union all
    select queue_id, team_id, 'blocked', sum(cardinality(jobs)), min(ready_at) from queue.blocked group by 1, 2
    union all
    select queue_id, team_id, case when run_at < 'infinity' then 'scheduled' else 'parked' end, count(*),
      min(case when run_at < 'infinity' then run_at else since end) from queue.scheduled group by 1, 2, 3
    union all
    select queue_id, team_id, 'running', sum(cardinality(open)), min(claimed_at) from queue.leases group by 1, 2
    union all
    select queue_id, team_id, 'dead', count(*), min(died_at) from queue.dead where replayed_at is null and discarded_at is null group by 1, 2
  ), figures as materialized (
    select m.queue_id, m.team_id, m.state, sum(m.jobs) as jobs, min(m.oldest) as oldest from measured m group by 1, 2, 3
  ), left_lanes as (
    delete from queue.lane_depths d
    where not exists (select from figures f where f.team_id = d.team_id and f.queue_id = d.queue_id and f.state = d.state)
  ), kept_lanes as (
    insert into queue.lane_depths as d (team_id, queue_id, state, jobs, oldest_at)
    select f.team_id, f.queue_id, f.state, f.jobs, f.oldest from figures f
    where not exists (select from queue.lane_depths x where x.team_id = f.team_id and x.queue_id = f.queue_id and x.state = f.state
      and x.jobs = f.jobs and x.oldest_at is not distinct from f.oldest)
    on conflict (team_id, queue_id, state) do update set jobs = excluded.jobs, oldest_at = excluded.oldest_at
  ), lanes as materialized (
    select m.team_id, m.queue_id, sum(m.jobs) as jobs from measured m
    where m.state <> 'dead' and exists (select from queue.lanes l where l.queue_id = m.queue_id and l.unfinished_most is not null)
    group by 1, 2
  ), emptied as (
    delete from queue.backlogs b where not exists (select from lanes l where l.team_id = b.team_id and l.queue_id = b.queue_id)
  ), filled as (
    insert into queue.backlogs (team_id, queue_id, unfinished, measured_at)
    select l.team_id, l.queue_id, l.jobs, now() from lanes l
    on conflict (team_id, queue_id) do update set unfinished = excluded.unfinished, measured_at = excluded.measured_at
  )
  insert into queue.depths (queue_id, state, jobs, oldest_at, measured_at)
  select q.id, s.state, coalesce(sum(m.jobs), 0), min(m.oldest), now()
  from queue.queues q
  cross join (values ('ready'), ('blocked'), ('scheduled'), ('parked'), ('running'), ('dead')) s(state)
  left join measured m on m.queue_id = q.id and m.state = s.state
  group by q.id, s.state
  on conflict (queue_id, state) do update set jobs = excluded.jobs, oldest_at = excluded.oldest_at, measured_at = excluded.measured_at;
end $$;

-- Counts every accepted job in the place where it is; `lost` are those found nowhere, `doubled` those found twice.
-- Reads everything: for tests, the demo and the doctor, not for dashboards.
create or replace function queue.census(team uuid default null)
returns table (accepted bigint, ready bigint, scheduled bigint, parked bigint, running bigint, done bigint, dead bigint, cancelled bigint, lost bigint, doubled bigint,
  blocked bigint)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  with places as (
    select unnest(jobs) as id, 'ready' as place from queue.ready where team is null or team_id = team
    union all select job_id, 'ready' from queue.suspects where team is null or team_id = team
    union all select unnest(jobs), 'blocked' from queue.blocked where team is null or team_id = team
    union all select job_id, case when run_at = 'infinity' then 'parked' else 'scheduled' end from queue.scheduled where team is null or team_id = team
    union all select unnest(open), 'running' from queue.leases where team is null or team_id = team
    union all select job_id, case outcome when 1 then 'done' when 3 then 'cancelled' else 'dead' end from queue.outcomes where team is null or team_id = team
  ), found as (select id, min(place) as place, count(*) as times from places group by id)
  select count(*), count(*) filter (where place = 'ready'), count(*) filter (where place = 'scheduled'), count(*) filter (where place = 'parked'),
    count(*) filter (where place = 'running'), count(*) filter (where place = 'done'), count(*) filter (where place = 'dead'),
    count(*) filter (where place = 'cancelled'), count(*) filter (where place is null), count(*) filter (where times > 1), count(*) filter (where place = 'blocked')
  from queue.jobs j left join found f on f.id = j.id
  where team is null or j.team_id = team
$$;

-- Forgets idempotency keys whose lifetime is over, and requests to cancel jobs that ended. Returns how many.
create or replace function queue.tidy(most integer default 10000) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  n integer;
  m integer;
  o integer;
begin
  delete from queue.keys k using (
    select team_id, kind, digest from queue.keys where expires_at <= now() order by expires_at limit most for update skip locked
  ) old where k.team_id = old.team_id and k.kind = old.kind and k.digest = old.digest;
  get diagnostics n = row_count;
  delete from queue.keys k using (
    select team_id, kind, digest, job_id from queue.keys where while_unfinished order by job_id limit most for update skip locked
  ) old where k.team_id = old.team_id and k.kind = old.kind and k.digest = old.digest and queue.has_ended(old.job_id, old.team_id);
  get diagnostics o = row_count;
  delete from queue.cancels c where c.requested_at < now() - interval '1 minute'
    and exists (select from queue.outcomes o where o.job_id = c.job_id and o.team_id = c.team_id);
  get diagnostics m = row_count;
  return n + m + o;
end $$;

grant execute on function queue.replay(uuid, bigint, text, jsonb, timestamptz, bigint), queue.discard(uuid, bigint, text, bigint) to longshore_api, longshore_operator;
grant execute on function queue.pause(text, text, text, uuid, text), queue.resume(text, uuid, text, text),
  queue.set_lane(text, uuid, smallint, integer, double precision, integer, bigint), queue.set_bucket(uuid, text, double precision, integer),
  queue.set_key_limit(uuid, text, integer) to longshore_operator;
grant execute on function queue.measure() to longshore_scheduler;
grant execute on function queue.tidy(integer) to longshore_scheduler;
grant execute on function queue.census(uuid) to longshore_operator, longshore_auditor;

reset role;
