-- Limits: lanes, keys and named rates. What runs is counted from the leases, so that no slot can leak.
set local role longshore_engine;

-- The lock of a limit: whoever counts against it, or makes room in it, holds this until its transaction ends.
create or replace function queue.limit_lock(team uuid, what text) returns bigint
language sql immutable strict parallel safe
return hashtextextended(what, hashtextextended(team::text, 7203440));

-- Jobs of a team with a key that run now, in all processes.
create or replace function queue.running_with_key(team uuid, key text) returns bigint
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  return (select coalesce(sum(cardinality(l.open)), 0) from queue.leases l where l.team_id = team and l.limit_key = key);
end $$;

-- A lane's turn against other teams'.
create or replace function queue.lane_weight(team uuid, q smallint) returns integer
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  return (
    select coalesce(max(l.weight) filter (where l.team_id = lane_weight.team),
      max(l.weight) filter (where l.team_id = '00000000-0000-0000-0000-000000000000'), 1)
    from queue.lanes l where l.queue_id = q and l.team_id in (lane_weight.team, '00000000-0000-0000-0000-000000000000'));
end $$;

-- How many jobs of a lane may start now: of its turn, by its limit and its rate. Its turn is `turn` where one is given, else
-- `quantum` times its weight, but for what it `had` of it. Holds the lane's lock where it has a limit or a rate; where another
-- process does, none.
create or replace function queue.lane_turn(team uuid, q smallint, turn integer, quantum integer, had integer) returns integer
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  set_ record;
begin
  select coalesce(own.running_most, every.running_most) as running_most,
    coalesce(own.per_second, every.per_second) as per_second,
    coalesce(own.burst, every.burst, greatest(1, ceil(coalesce(own.per_second, every.per_second)))::integer) as burst,
    coalesce(own.weight, every.weight, 1) as weight
  into set_
  from (select 1) one
  left join queue.lanes own on own.team_id = lane_turn.team and own.queue_id = q
  left join queue.lanes every on every.team_id = '00000000-0000-0000-0000-000000000000' and every.queue_id = q;
  turn := coalesce(turn, quantum * set_.weight - had);
  if set_.running_most is null and set_.per_second is null then return turn; end if;
  if not pg_try_advisory_xact_lock(queue.limit_lock(team, 'lane ' || q)) then return 0; end if;
  -- Counted in statements of their own: they see what was committed before the lock was had.
  if set_.running_most is not null then
    turn := least(turn, set_.running_most - (select coalesce(sum(cardinality(l.open)), 0) from queue.leases l
      where l.queue_id = q and l.team_id = lane_turn.team));
  end if;
  if set_.per_second is not null then
    turn := least(turn, floor(set_.burst - set_.per_second * coalesce((
      select greatest(0, extract(epoch from l.refills_at - clock_timestamp())) from queue.lanes l
      where l.team_id = lane_turn.team and l.queue_id = q and l.refills_at > '-infinity'), 0))::integer);
  end if;
  return greatest(0, turn);
end $$;

-- Takes `n` jobs out of a lane's rate, where it has one.
create or replace function queue.spend_lane_rate(team uuid, q smallint, n integer) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
begin
  insert into queue.lanes as l (team_id, queue_id, refills_at)
  select spend_lane_rate.team, q, clock_timestamp() + make_interval(secs => spend_lane_rate.n / r.per_second)
  from (
    select coalesce(own.per_second, every.per_second) as per_second
    from (select 1) one
    left join queue.lanes own on own.team_id = spend_lane_rate.team and own.queue_id = q
    left join queue.lanes every on every.team_id = '00000000-0000-0000-0000-000000000000' and every.queue_id = q
  ) r where r.per_second is not null and spend_lane_rate.n > 0
  on conflict (team_id, queue_id) do update
  set refills_at = greatest(l.refills_at, clock_timestamp()) + (excluded.refills_at - clock_timestamp());
end $$;

-- Jobs of a team with a key that may run at once.
create or replace function queue.key_limit(team uuid, key text, said integer) returns integer
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  return coalesce((select k.running_most from queue.key_limits k where k.team_id = team and k.limit_key = key), said, 1);
end $$;

-- Asks a named rate for `n` at once (a handler's ctx.permit). `granted`: the place is taken, and begins after `wait`. Not
-- granted where that would be longer than `patience`: then `wait` says when to ask again. A name that nobody has set a rate
-- for is granted at once.
create or replace function queue.permit(team uuid, bucket text, n integer, patience interval, out granted boolean, out wait interval)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  b queue.buckets;
  t timestamptz := clock_timestamp();
  filled timestamptz;
begin
  perform queue.guard_team(team);
  perform set_config('synchronous_commit', 'off', true);
  -- The team's own rate, else the one that every team shares.
  select x.* into b from queue.buckets x where x.name = bucket and x.team_id in (team, '00000000-0000-0000-0000-000000000000')
  order by x.team_id desc limit 1 for update;
  granted := true;
  wait := interval '0';
  if not found then return; end if;
  t := clock_timestamp();
  filled := greatest(b.refills_at, t) + make_interval(secs => greatest(n, 0) / b.per_second);
  wait := greatest(interval '0', filled - t - make_interval(secs => greatest(b.burst, n) / b.per_second));
  granted := wait <= patience;
  if granted then
    update queue.buckets x set refills_at = filled where x.team_id = b.team_id and x.name = b.name;
  end if;
end $$;

grant execute on function queue.permit(uuid, text, integer, interval) to longshore_worker;

reset role;
