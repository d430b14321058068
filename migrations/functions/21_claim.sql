-- Claiming: the way of a job into a process's hands (DESIGN section 3).
set local role longshore_engine;

-- Claims up to `slots` jobs for a process. It hops from lane to lane (a team, and there a kind), starting behind the team
-- `after`, so that one team's million does not delay another's one; the worker passes the last team it got, and how many of
-- it in a row (`streak`). A team's turn is up to 25 jobs times its weight, in one claim or several, or its share of the slots
-- where no lane of the queue is set. What is paused, or of a kind that this build
-- does not know, is never looked at; a lane at its limit costs one look, and jobs whose key is at its limit are moved out
-- of the way once. Losing the claim in a crash only leaves the jobs ready, so it may commit asynchronously; enqueue and
-- finish never do.
create or replace function queue.claim(boot uuid, queue_name text, slots integer, after uuid, kinds text[], streak integer default 0)
returns table (
  fence bigint, job_id bigint, team_id uuid, kind text, version smallint, priority smallint, attempt smallint, max_attempts smallint,
  payload jsonb, correlation_id text, created_at timestamptz, claimed_at timestamptz, cancelled boolean, special boolean
)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set plan_cache_mode = force_generic_plan
set jit = off as $$
#variable_conflict use_column
declare
  nobody constant uuid := '00000000-0000-0000-0000-000000000000';
  q smallint;
  lane_teams uuid[];
  lane_kinds text[];
  lane_heads smallint[];
  most integer;
  lane record;
  at tid;
  size integer;
  key text;
  key_most integer;
  pick refcursor;
  quantum integer;
  room integer := slots;
  turn uuid;
  free integer := 0;
  take integer;
  any_set boolean;
  again boolean;
  alone boolean;
  any_cancel boolean;
  rows_at tid[] := '{}';
  takes integer[] := '{}';
  blocked_at tid[] := '{}';
  keys_taken text[] := '{}';
  keys_full text[] := '{}';
begin
  perform set_config('synchronous_commit', 'off', true);
  select id into q from queue.queues where name = queue_name;
  if not found or slots < 1 then return; end if;
  if not exists (select from queue.processes p where p.boot_id = boot and p.expires_at > now()) then
    raise exception 'process % is not alive in the fleet', boot using errcode = 'LS011', hint = 'Stop its handlers and enter under a new boot id.';
  end if;
  if exists (select from queue.pauses) then
    if exists (select from queue.pauses p where p.team_id = nobody and p.queue_id in (0, q) and p.kind = '') then return; end if;
    kinds := array(select k from unnest(kinds) k
      where not exists (select from queue.pauses p where p.team_id = nobody and p.queue_id in (0, q) and p.kind = k));
  end if;
  quantum := greatest(1, least(slots, 25));
  most := slots / quantum + 1;
  any_set := exists (select from queue.lanes l where l.queue_id = q);
  -- A turn that the slots cut short goes on.
  again := any_set and streak > 0 and streak < quantum * queue.lane_weight(after, q);

  -- Lanes with ready work: from behind `after`, then from the start; so many that their turns fill the slots.
  select h.teams, h.lanes, h.heads into lane_teams, lane_kinds, lane_heads from queue.lanes_after(q, after, most, kinds, again => again) h;
  if cardinality(lane_teams) < most and after > nobody then
    select lane_teams || h.teams, lane_kinds || h.lanes, lane_heads || h.heads into lane_teams, lane_kinds, lane_heads
    from queue.lanes_after(q, nobody, most, kinds, after, again) h;
  end if;
  if cardinality(lane_teams) = 0 then return; end if;
  alone := lane_teams[1] = lane_teams[cardinality(lane_teams)];

  for lane in
    select t.team, t.kind,
      -- Where a team has several kinds ready, none goes beyond the most urgent of the others.
      coalesce((select min(o.head) from unnest(lane_teams, lane_kinds, lane_heads) o(team, kind, head)
                where o.team = t.team and o.kind <> t.kind), 9) as ceiling
    from unnest(lane_teams, lane_kinds, lane_heads) with ordinality t(team, kind, head, hop)
    order by min(t.hop) over (partition by t.team), t.head, t.hop
  loop
    exit when room < 1;
    if lane.team is distinct from turn then
      turn := lane.team;
      free := greatest(quantum, ceil(slots::numeric / cardinality(lane_teams))::integer);
      if any_set then
        free := queue.lane_turn(turn, q, case when alone then slots
          else quantum * queue.lane_weight(turn, q) - case when again and turn = after then streak else 0 end end);
      end if;
    end if;
    free := least(free, room);
    continue when free < 1;
    -- One row at a time, so that no row is locked that is not taken.
    open pick no scroll for
      select r.ctid, cardinality(r.jobs), r.limit_key, r.limit_to
      from queue.ready r
      where r.queue_id = q and r.team_id = lane.team and r.kind = lane.kind and r.priority <= lane.ceiling
      order by r.priority, r.first_job limit free + 1000 -- rows that are moved aside come on top
      for update skip locked;
    loop
      fetch pick into at, size, key, key_most;
      exit when not found;
      take := least(size, free);
      if lane.team || key = any (keys_full) then
        take := 0;
        blocked_at := blocked_at || at;
      elsif key is not null then
        continue when not pg_try_advisory_xact_lock(queue.limit_lock(lane.team, key));
        take := greatest(0, least(take, queue.key_limit(lane.team, key, key_most) - queue.running_with_key(lane.team, key)
          - (select coalesce(sum(t), 0) from unnest(keys_taken, takes) x(k, t) where x.k = lane.team || key)));
        if take < least(size, free) then
          blocked_at := blocked_at || at;
          keys_full := keys_full || (lane.team || key);
        end if;
      end if;
      rows_at := rows_at || at;
      takes := takes || take;
      keys_taken := keys_taken || (lane.team || key);
      free := free - take;
      room := room - take;
      exit when free < 1;
    end loop;
    close pick;
  end loop;
  if cardinality(rows_at) = 0 then return; end if;

  any_cancel := exists (select from queue.cancels);
  return query
  with gone as (
    delete from queue.ready r using unnest(rows_at, takes) p(at, take) where r.ctid = p.at
    returning r.*, p.take, p.at = any (blocked_at) as blocked
  ), tail as (
    insert into queue.ready (queue_id, team_id, kind, priority, first_job, jobs, keep, attempt, special, limit_key, limit_to, ready_at)
    select q, g.team_id, g.kind, g.priority, g.jobs[g.take + 1], g.jobs[g.take + 1:], g.keep, g.attempt, g.special, g.limit_key, g.limit_to, g.ready_at
    from gone g where g.take < cardinality(g.jobs) and not g.blocked
  ), aside as (
    insert into queue.blocked (team_id, limit_key, priority, first_job, jobs, queue_id, kind, keep, attempt, limit_to, ready_at)
    select g.team_id, g.limit_key, g.priority, g.jobs[g.take + 1], g.jobs[g.take + 1:], q, g.kind, g.keep, g.attempt, g.limit_to, g.ready_at
    from gone g where g.take < cardinality(g.jobs) and g.blocked
  ), spent as (
    select queue.spend_lane_rate(x.team_id, q, x.n) from (select team_id, sum(take)::integer as n from gone group by team_id) x where any_set
  ), taken as (
    select g.team_id, g.priority, g.kind, g.keep, g.attempt, g.special, g.limit_key, g.limit_to, j.id
    from gone g cross join lateral unnest(g.jobs[:g.take]) as j(id)
    where (select count(*) from spent) >= 0
  ), leased as (
    insert into queue.leases (team_id, queue_id, priority, kind, keep, boot_id, attempt, special, limit_key, limit_to, open)
    select t.team_id, q, t.priority, t.kind, t.keep, boot, t.attempt + 1, t.special, t.limit_key, t.limit_to, array_agg(t.id order by t.id)
    from taken t group by t.team_id, t.priority, t.kind, t.keep, t.attempt, t.special, t.limit_key, t.limit_to
    returning fence, team_id, keep, attempt, open, claimed_at, special
  ), work as (
    -- A chunk of one statement lies side by side, and is read as a range; others are looked up one by one.
    select l.fence, l.attempt, l.claimed_at, l.special, j.*
    from leased l join queue.jobs j on j.id between l.open[1] and l.open[cardinality(l.open)] and j.team_id = l.team_id and j.keep = l.keep
    where l.open[cardinality(l.open)] - l.open[1] < cardinality(l.open)
    union all
    select l.fence, l.attempt, l.claimed_at, l.special, j.*
    from leased l cross join lateral unnest(l.open) as o(id) join queue.jobs j on j.id = o.id and j.team_id = l.team_id and j.keep = l.keep
    where l.open[cardinality(l.open)] - l.open[1] >= cardinality(l.open)
  )
  select w.fence, w.id, w.team_id, w.kind, w.version, w.priority, w.attempt, w.max_attempts, w.payload, w.correlation_id, w.created_at,
    w.claimed_at, any_cancel and exists (select from queue.cancels c where c.job_id = w.id and c.team_id = w.team_id), w.special
  from work w
  order by array_position(lane_teams, w.team_id), w.priority, w.id;
end $$;

-- Lanes of known kinds behind a team (and up to `upto`, where one is given) that have ready work, with the priority of
-- each lane's first job: one index descent a lane. At most `most` teams, none of them paused. With `again` it begins at the
-- team itself, and ends before `upto`.
create or replace function queue.lanes_after(q smallint, after uuid, most integer, kinds text[], upto uuid default null, again boolean default false,
  out teams uuid[], out lanes text[], out heads smallint[])
language plpgsql stable set search_path = pg_catalog, pg_temp
set enable_seqscan = off set plan_cache_mode = force_generic_plan as $$
declare
  team uuid := after;
  lane text := case when again then '' end;
  head smallint;
  had uuid := case when not again then after end;
  n integer := 0;
  hops integer := 0;
  any_pause constant boolean := exists (select from queue.pauses p where p.team_id <> '00000000-0000-0000-0000-000000000000');
begin
  teams := '{}';
  lanes := '{}';
  heads := '{}';
  while n <= most and hops < 1000 loop
    hops := hops + 1;
    if lane is null then
      select r.team_id, r.kind, r.priority into team, lane, head from queue.ready r
      where r.queue_id = q and r.team_id > team
      order by r.team_id, r.kind, r.priority, r.first_job limit 1;
    else
      select r.team_id, r.kind, r.priority into team, lane, head from queue.ready r
      where r.queue_id = q and (r.team_id, r.kind) > (team, lane)
      order by r.team_id, r.kind, r.priority, r.first_job limit 1;
    end if;
    exit when not found or team > upto or (again and team = upto);
    continue when lane <> all (kinds);
    continue when any_pause and exists (
      select from queue.pauses p where p.team_id = team and p.queue_id in (0, q) and p.kind in ('', lane));
    if team is distinct from had then
      n := n + 1;
      exit when n > most;
      had := team;
    end if;
    teams := teams || team;
    lanes := lanes || lane;
    heads := heads || head;
  end loop;
end $$;

-- Claims one job that is suspected of killing processes, for a process that runs nothing beside it.
create or replace function queue.claim_suspect(boot uuid, queue_names text[], kinds text[])
returns table (
  fence bigint, job_id bigint, team_id uuid, kind text, version smallint, priority smallint, attempt smallint, max_attempts smallint,
  payload jsonb, correlation_id text, created_at timestamptz, claimed_at timestamptz, cancelled boolean, special boolean
)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  s queue.suspects;
begin
  if not exists (select from queue.processes p where p.boot_id = boot and p.expires_at > now()) then
    raise exception 'process % is not alive in the fleet', boot using errcode = 'LS011', hint = 'Stop its handlers and enter under a new boot id.';
  end if;
  for s in
    select x.* from queue.suspects x join queue.queues q on q.id = x.queue_id
    where q.name = any (queue_names) and x.kind = any (kinds)
      and not exists (select from queue.pauses p where p.team_id in (x.team_id, '00000000-0000-0000-0000-000000000000')
        and p.queue_id in (0, x.queue_id) and p.kind in ('', x.kind))
    order by x.ready_at, x.job_id limit 100 for update of x skip locked
  loop
    continue when s.limit_key is not null and (
      not pg_try_advisory_xact_lock(queue.limit_lock(s.team_id, s.limit_key))
      or queue.running_with_key(s.team_id, s.limit_key) >= queue.key_limit(s.team_id, s.limit_key, s.limit_to));
    continue when queue.lane_turn(s.team_id, s.queue_id, 1) < 1;
    delete from queue.suspects x where x.queue_id = s.queue_id and x.job_id = s.job_id and x.team_id = s.team_id;
    perform queue.spend_lane_rate(s.team_id, s.queue_id, 1);
    return query
    with leased as (
      insert into queue.leases (team_id, queue_id, priority, kind, keep, boot_id, attempt, special, limit_key, limit_to, open)
      values (s.team_id, s.queue_id, s.priority, s.kind, s.keep, boot, s.attempt + 1, s.special, s.limit_key, s.limit_to, array[s.job_id])
      returning fence, attempt, claimed_at
    )
    select l.fence, j.id, j.team_id, j.kind, j.version, j.priority, l.attempt, j.max_attempts, j.payload, j.correlation_id, j.created_at,
      l.claimed_at, exists (select from queue.cancels c where c.job_id = j.id and c.team_id = j.team_id), s.special
    from leased l join queue.jobs j on j.id = s.job_id and j.team_id = s.team_id and j.keep = s.keep;
    return;
  end loop;
end $$;

-- Whether suspects wait that a build with these kinds could run.
create or replace function queue.has_suspects(queue_names text[], kinds text[]) returns boolean
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select exists (select from queue.suspects x join queue.queues q on q.id = x.queue_id where q.name = any (queue_names) and x.kind = any (kinds))
$$;

grant execute on function queue.claim(uuid, text, integer, uuid, text[], integer) to longshore_worker;
grant execute on function queue.claim_suspect(uuid, text[], text[]), queue.has_suspects(text[], text[]) to longshore_worker;

reset role;
