-- Claiming: the way of a job into a process's hands (DESIGN section 3).
set local role longshore_engine;

-- Whether some webhook of the team tells of the ends of such jobs.
create or replace function queue.is_watched(team uuid, kind text) returns boolean
language sql stable as $$
  select exists (
    select from longshore.webhook_endpoints e
    where e.team_id = team and e.of_jobs and e.disabled_at is null and (e.kinds is null or kind = any (e.kinds)))
$$;
comment on function queue.is_watched(uuid, text) is 'Without a search_path of its own, so that it is inlined; only pinned functions call it.';

-- Claims up to `slots` jobs for a process. It hops from lane to lane (a team, and there a kind), starting behind the team
-- `after`, so that one team's million does not delay another's one; the worker passes the last team it got, and how many of
-- it in a row (`streak`). A team's turn is up to 25 jobs times its weight, in one claim or several, or its share of the slots
-- where no lane of the queue is set. What is paused, or of a kind that this build
-- does not know, is never looked at; a lane at its limit costs one look, and jobs whose key is at its limit are moved out
-- of the way once. Losing the claim in a crash only leaves the jobs ready, so it may commit asynchronously; enqueue and
-- finish never do.
-- A row is a lease, with what its jobs have in arrays that run in parallel: a row a job would cost as much again, here and
-- where it is read. `cancelled` names those of them that somebody cancelled.
-- `mark_…` (arrays that run in parallel): lanes that are looked at only from a priority and first job on. What was taken before
-- that is still in the index while somebody's old snapshot keeps it, and a claim would walk over all of it.
create or replace function queue.claim_leases(boot uuid, queue_name text, slots integer, after uuid, kinds text[], streak integer default 0,
  mark_teams uuid[] default '{}', mark_kinds text[] default '{}', mark_priorities smallint[] default '{}', mark_jobs bigint[] default '{}')
returns table (
  fence bigint, team_id uuid, kind text, priority smallint, attempt smallint, claimed_at timestamptz, special boolean,
  jobs bigint[], versions smallint[], max_attempts smallint[], payloads jsonb[], correlation_ids text[], created_ats timestamptz[],
  cancelled bigint[]
)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set plan_cache_mode = force_generic_plan
set jit = off as $$
#variable_conflict use_column
declare
  nobody constant uuid := '00000000-0000-0000-0000-000000000000';
  quantum constant integer := greatest(1, least(slots, 25));
  most constant integer := slots / quantum + 1;
  any_mark constant boolean := cardinality(mark_teams) > 0;
  q smallint;
  alive boolean;
  any_pause boolean;
  any_set boolean;
  any_ready boolean;
  any_cancel boolean;
  any_rollout boolean;
  rollouts text[];
  aside integer := 0;
  watched boolean;
  durability text;
  again boolean;
  lane_team uuid := after;
  lane_kind text;
  low_priority smallint;
  low_job bigint;
  mark record;
  next record;
  upto uuid;
  had uuid;
  teams integer := 0;
  hops integer := 0;
  -- Arrays begin as null, which is cheaper than empty.
  lane_teams uuid[];
  lane_kinds text[];
  lane_heads smallint[];
  lane_sizes integer[];
  lane_priorities smallint[];
  lane_jobs bigint[];
  ceilings smallint[] := '{9}';
  lane_size integer;
  ceiling smallint;
  alone boolean;
  at tid;
  size integer;
  key text;
  key_most integer;
  pick refcursor;
  ats tid[];
  sizes integer[];
  keyed boolean;
  whole integer;
  room integer := slots;
  turn uuid;
  free integer := 0;
  take integer;
  rows_at tid[];
  takes integer[];
  blocked_at tid[];
  keys_taken text[];
  key_takes integer[];
  keys_full text[];
begin
  -- Few questions: each further statement costs as much as a job.
  select x.id, x.alive, x.watched, any_mark or exists (select from queue.ready r where r.queue_id = x.id)
  into q, alive, watched, any_ready
  from (
    select u.id, u.watched, exists (select from queue.processes p where p.boot_id = boot and p.expires_at > now()) as alive
    from queue.queues u where u.name = queue_name
  ) x;
  if not found or slots < 1 then return; end if;
  if not alive then
    raise exception 'process % is not alive in the fleet', boot using errcode = 'LS011', hint = 'Stop its handlers and enter under a new boot id.';
  end if;
  -- After a failover the old server answers on, and never has anything new: its connections must not stay.
  if current_setting('transaction_read_only') = 'on' then
    raise exception 'this server only reads' using errcode = '25006', hint = 'Connect anew, to the server that writes.';
  end if;
  if not any_ready then return; end if;
  -- Assigned, because a PERFORM is a statement.
  durability := set_config('synchronous_commit', 'off', true);
  select exists (select from queue.pauses), exists (select from queue.lanes l where l.queue_id = q), exists (select from queue.cancels),
    exists (select from longshore.flags f where f.kind is not null)
  into any_pause, any_set, any_cancel, any_rollout;
  if any_pause then
    if exists (select from queue.pauses p where p.team_id = nobody and p.queue_id in (0, q) and p.kind = '') then return; end if;
    kinds := array(select k from unnest(kinds) k
      where not exists (select from queue.pauses p where p.team_id = nobody and p.queue_id in (0, q) and p.kind = k));
  end if;
  if any_rollout then
    rollouts := array(select f.kind from longshore.flags f where f.kind = any (kinds));
    any_rollout := cardinality(rollouts) > 0;
  end if;
  -- A turn that the slots cut short goes on.
  again := any_set and streak > 0 and streak < quantum * queue.lane_weight(after, q);
  if again then lane_kind := ''; else had := after; end if;

  -- Lanes with ready work: from behind `after`, then from the start, so many that their turns fill the slots. One index
  -- descent a lane. With `again` it begins at that team itself. A lane with a mark is looked at from there on, and what lies
  -- between two such lanes by its own range, so that neither walks over what was there before the mark.
  loop
    hops := hops + 1;
    low_priority := 0;
    low_job := 0;
    if any_mark then
      select m.t as team, m.k as kind, m.p as priority, m.j as job into mark
      from unnest(mark_teams, mark_kinds, mark_priorities, mark_jobs) m(t, k, p, j)
      where case when lane_kind is null then m.t > lane_team else (m.t, m.k) > (lane_team, lane_kind) end
      order by m.t, m.k limit 1;
    end if;
    if any_mark and found then
      if lane_kind is null then
        select r.team_id as team, r.kind, r.priority, cardinality(r.jobs) as size into next from queue.ready r
        where r.queue_id = q and r.team_id > lane_team and (r.team_id, r.kind) < (mark.team, mark.kind)
        order by r.team_id, r.kind, r.priority, r.first_job limit 1;
      else
        select r.team_id as team, r.kind, r.priority, cardinality(r.jobs) as size into next from queue.ready r
        where r.queue_id = q and (r.team_id, r.kind) > (lane_team, lane_kind) and (r.team_id, r.kind) < (mark.team, mark.kind)
        order by r.team_id, r.kind, r.priority, r.first_job limit 1;
      end if;
      if not found then
        low_priority := mark.priority;
        low_job := mark.job;
        select r.team_id as team, r.kind, r.priority, cardinality(r.jobs) as size into next from queue.ready r
        where r.queue_id = q and r.team_id = mark.team and r.kind = mark.kind and (r.priority, r.first_job) >= (low_priority, low_job)
        order by r.priority, r.first_job limit 1;
        if not found and hops < 1000 then
          lane_team := mark.team;
          lane_kind := mark.kind;
          continue;
        end if;
      end if;
    elsif lane_kind is null then
      select r.team_id as team, r.kind, r.priority, cardinality(r.jobs) as size into next from queue.ready r
      where r.queue_id = q and r.team_id > lane_team
      order by r.team_id, r.kind, r.priority, r.first_job limit 1;
    else
      select r.team_id as team, r.kind, r.priority, cardinality(r.jobs) as size into next from queue.ready r
      where r.queue_id = q and (r.team_id, r.kind) > (lane_team, lane_kind)
      order by r.team_id, r.kind, r.priority, r.first_job limit 1;
    end if;
    if not found or hops >= 1000 or next.team > upto or (again and next.team = upto) then
      exit when upto is not null or after = nobody or teams >= most;
      upto := after;
      lane_team := nobody;
      lane_kind := case when again then '' end;
      had := null;
      hops := 0;
      continue;
    end if;
    lane_team := next.team;
    lane_kind := next.kind;
    continue when lane_kind <> all (kinds);
    continue when any_pause and exists (
      select from queue.pauses p where p.team_id = lane_team and p.queue_id in (0, q) and p.kind in ('', lane_kind));
    if any_rollout and lane_kind = any (rollouts) and queue.holds_back(lane_team, lane_kind) then
      -- Out of the way, so that later claims hop over nothing; so many that this one is not held up.
      if aside < 1000 then aside := aside + queue.set_aside(q, lane_team, lane_kind, 1000 - aside); end if;
      continue;
    end if;
    if lane_team is distinct from had then
      teams := teams + 1;
      exit when teams > most;
      had := lane_team;
    end if;
    lane_teams := lane_teams || lane_team;
    lane_kinds := lane_kinds || lane_kind;
    lane_heads := lane_heads || next.priority;
    lane_sizes := lane_sizes || next.size;
    lane_priorities := lane_priorities || low_priority;
    lane_jobs := lane_jobs || low_job;
  end loop;
  if lane_teams is null then return; end if;
  alone := lane_teams[1] = lane_teams[cardinality(lane_teams)];
  if cardinality(lane_teams) > 1 then
    -- Team by team, in a team by urgency. Where it has several kinds ready, none goes beyond the most urgent of the others.
    select array_agg(t.team order by t.turn, t.head, t.hop), array_agg(t.kind order by t.turn, t.head, t.hop),
      array_agg(t.size order by t.turn, t.head, t.hop), array_agg(t.low_priority order by t.turn, t.head, t.hop),
      array_agg(t.low_job order by t.turn, t.head, t.hop), array_agg(t.ceiling order by t.turn, t.head, t.hop)
    into lane_teams, lane_kinds, lane_sizes, lane_priorities, lane_jobs, ceilings
    from (
      select l.*, min(l.hop) over (partition by l.team) as turn,
        coalesce((select min(o.head) from unnest(lane_teams, lane_kinds, lane_heads) o(team, kind, head)
                  where o.team = l.team and o.kind <> l.kind), 9) as ceiling
      from unnest(lane_teams, lane_kinds, lane_heads, lane_sizes, lane_priorities, lane_jobs) with ordinality
        l(team, kind, head, size, low_priority, low_job, hop)
    ) t;
  end if;

  for i in 1 .. cardinality(lane_teams) loop
    exit when room < 1;
    lane_team := lane_teams[i];
    lane_kind := lane_kinds[i];
    lane_size := lane_sizes[i];
    ceiling := ceilings[i];
    low_priority := lane_priorities[i];
    low_job := lane_jobs[i];
    if lane_team is distinct from turn then
      turn := lane_team;
      free := greatest(quantum, ceil(slots::numeric / cardinality(lane_teams))::integer);
      if any_set then
        free := queue.lane_turn(turn, q, case when alone then slots end, quantum, case when again and turn = after then streak else 0 end);
      end if;
    end if;
    free := least(free, room);
    continue when free < 1;
    -- As many rows as are wanted, if the others are as long as the first.
    select array_agg(x.at), array_agg(x.size), bool_or(x.keyed), sum(x.size) into ats, sizes, keyed, whole
    from (
      select r.ctid as at, cardinality(r.jobs) as size, r.limit_key is not null as keyed
      from queue.ready r
      where r.queue_id = q and r.team_id = lane_team and r.kind = lane_kind and r.priority <= ceiling
        and (r.priority, r.first_job) >= (low_priority, low_job)
      order by r.priority, r.first_job limit (free + lane_size - 1) / lane_size
      for update skip locked
    ) x;
    continue when ats is null;
    if not keyed and whole <= free then
      rows_at := rows_at || ats;
      takes := takes || sizes;
      free := free - whole;
      room := room - whole;
      continue;
    end if;
    if not keyed then
      for j in 1 .. cardinality(ats) loop
        size := sizes[j];
        -- Not for the last few slots is a chunk split: what is left of it has to be written anew.
        exit when free < 1 or size > room and free = room and room <= slots / 2;
        take := least(size, free);
        rows_at := rows_at || ats[j];
        takes := takes || take;
        free := free - take;
        room := room - take;
      end loop;
      continue;
    end if;
    -- Where keys have limits, row by row: the next one may depend on the one before.
    open pick no scroll for
      select r.ctid, cardinality(r.jobs), r.limit_key, r.limit_to
      from queue.ready r
      where r.queue_id = q and r.team_id = lane_team and r.kind = lane_kind and r.priority <= ceiling
        and (r.priority, r.first_job) >= (low_priority, low_job)
      order by r.priority, r.first_job limit free + 1000 -- rows that are moved aside come on top
      for update skip locked;
    loop
      fetch pick into at, size, key, key_most;
      exit when not found;
      take := least(size, free);
      if lane_team || key = any (keys_full) then
        take := 0;
        blocked_at := blocked_at || at;
      elsif key is not null then
        continue when not pg_try_advisory_xact_lock(queue.limit_lock(lane_team, key));
        take := greatest(0, least(take, queue.key_limit(lane_team, key, key_most) - queue.running_with_key(lane_team, key)
          - (select coalesce(sum(t), 0) from unnest(keys_taken, key_takes) x(k, t) where x.k = lane_team || key)));
        if take < least(size, free) then
          blocked_at := blocked_at || at;
          keys_full := keys_full || (lane_team || key);
        end if;
      end if;
      rows_at := rows_at || at;
      takes := takes || take;
      if key is not null then
        keys_taken := keys_taken || (lane_team || key);
        key_takes := key_takes || take;
      end if;
      free := free - take;
      room := room - take;
      exit when free < 1;
    end loop;
    close pick;
  end loop;
  if rows_at is null then return; end if;

  return query
  with gone as (
    delete from queue.ready r using unnest(rows_at, takes) p(at, take) where r.ctid = p.at
    returning r.*, p.take, coalesce(p.at = any (blocked_at), false) as blocked
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
  ), lots as (
    -- A long row is a lease of its own; short ones share leases, of 200 jobs at most: what a lease has open stays in its row
    -- then, and is not compressed and put away elsewhere.
    select g.team_id, g.priority, g.kind, g.keep, g.attempt, g.special, g.limit_key, g.limit_to, g.jobs[:g.take] as jobs
    from gone g where g.take >= 50
    union all
    select t.team_id, t.priority, t.kind, t.keep, t.attempt, t.special, t.limit_key, t.limit_to, array_agg(t.id order by t.id)
    from (
      select g.*, j.id, (row_number() over () - 1) / 200 as part
      from gone g cross join lateral unnest(g.jobs[:g.take]) as j(id) where g.take < 50
    ) t
    group by t.part, t.team_id, t.priority, t.kind, t.keep, t.attempt, t.special, t.limit_key, t.limit_to
  ), leased as (
    insert into queue.leases (team_id, queue_id, priority, kind, keep, boot_id, attempt, special, limit_key, limit_to, open)
    -- Of the ends of some jobs a webhook tells: those are settled one by one.
    select l.team_id, q, l.priority, l.kind, l.keep, boot, l.attempt + 1, l.special or watched and queue.is_watched(l.team_id, l.kind),
      l.limit_key, l.limit_to, l.jobs
    from lots l where (select count(*) from spent) >= 0
    returning fence, team_id, keep, kind, priority, attempt, open, claimed_at, special
  )
  select l.fence, l.team_id, l.kind, l.priority, l.attempt, l.claimed_at, l.special, w.jobs, w.versions, w.max_attempts, w.payloads,
    w.correlation_ids, w.created_ats,
    case when any_cancel then array(select c.job_id from queue.cancels c where c.job_id = any (l.open) and c.team_id = l.team_id) else '{}' end
  from leased l cross join lateral (
    select array_agg(j.id) as jobs, array_agg(j.version) as versions, array_agg(j.max_attempts) as max_attempts,
      array_agg(j.payload) as payloads, array_agg(j.correlation_id) as correlation_ids, array_agg(j.created_at) as created_ats
    from (
      -- A chunk of one statement lies side by side, and is read as a range; others are looked up one by one.
      select j.* from queue.jobs j
      where j.id between l.open[1] and l.open[cardinality(l.open)] and j.team_id = l.team_id and j.keep = l.keep
        and l.open[cardinality(l.open)] - l.open[1] < cardinality(l.open)
      union all
      select j.* from unnest(l.open) as o(id) join queue.jobs j on j.id = o.id and j.team_id = l.team_id and j.keep = l.keep
      where l.open[cardinality(l.open)] - l.open[1] >= cardinality(l.open)
    ) j
  ) w
  order by array_position(lane_teams, l.team_id), l.priority, l.open[1];
end $$;

-- queue.claim_leases with a row a job, as builds before the first release read it.
create or replace function queue.claim(boot uuid, queue_name text, slots integer, after uuid, kinds text[], streak integer default 0)
returns table (
  fence bigint, job_id bigint, team_id uuid, kind text, version smallint, priority smallint, attempt smallint, max_attempts smallint,
  payload jsonb, correlation_id text, created_at timestamptz, claimed_at timestamptz, cancelled boolean, special boolean
)
language sql security definer set search_path = pg_catalog, pg_temp as $$
  select l.fence, j.id, l.team_id, l.kind, j.version, l.priority, l.attempt, j.max_attempts, j.payload, j.correlation_id, j.created_at,
    l.claimed_at, j.id = any (l.cancelled), l.special
  from queue.claim_leases(boot, queue_name, slots, after, kinds, streak) with ordinality
    l(fence, team_id, kind, priority, attempt, claimed_at, special, jobs, versions, max_attempts, payloads, correlation_ids, created_ats, cancelled, n)
  cross join lateral unnest(l.jobs, l.versions, l.max_attempts, l.payloads, l.correlation_ids, l.created_ats) with ordinality
    j(id, version, max_attempts, payload, correlation_id, created_at, n)
  order by l.n, j.n
$$;

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
      and not queue.holds_back(x.team_id, x.kind)
    order by x.ready_at, x.job_id limit 100 for update of x skip locked
  loop
    continue when s.limit_key is not null and (
      not pg_try_advisory_xact_lock(queue.limit_lock(s.team_id, s.limit_key))
      or queue.running_with_key(s.team_id, s.limit_key) >= queue.key_limit(s.team_id, s.limit_key, s.limit_to));
    continue when queue.lane_turn(s.team_id, s.queue_id, 1, 1, 0) < 1;
    delete from queue.suspects x where x.queue_id = s.queue_id and x.job_id = s.job_id and x.team_id = s.team_id;
    perform queue.spend_lane_rate(s.team_id, s.queue_id, 1);
    return query
    with leased as (
      insert into queue.leases (team_id, queue_id, priority, kind, keep, boot_id, attempt, special, limit_key, limit_to, open)
      values (s.team_id, s.queue_id, s.priority, s.kind, s.keep, boot, s.attempt + 1, s.special or queue.is_watched(s.team_id, s.kind),
        s.limit_key, s.limit_to, array[s.job_id])
      returning fence, attempt, claimed_at, special
    )
    select l.fence, j.id, j.team_id, j.kind, j.version, j.priority, l.attempt, j.max_attempts, j.payload, j.correlation_id, j.created_at,
      l.claimed_at, exists (select from queue.cancels c where c.job_id = j.id and c.team_id = j.team_id), l.special
    from leased l join queue.jobs j on j.id = s.job_id and j.team_id = s.team_id and j.keep = s.keep;
    return;
  end loop;
end $$;

-- Whether suspects wait that a build with these kinds could run.
create or replace function queue.has_suspects(queue_names text[], kinds text[]) returns boolean
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select exists (select from queue.suspects x join queue.queues q on q.id = x.queue_id where q.name = any (queue_names) and x.kind = any (kinds))
$$;

grant execute on function queue.claim_leases(uuid, text, integer, uuid, text[], integer, uuid[], text[], smallint[], bigint[]), queue.claim(uuid, text, integer, uuid, text[], integer)
  to longshore_worker;
grant execute on function queue.claim_suspect(uuid, text[], text[]), queue.has_suspects(text[], text[]) to longshore_worker;

reset role;
