-- Flags: whether one is on for a team, and jobs that wait where it is off. The claim reads these.
set local role longshore_engine;

-- The team's bucket for a flag, 0 to 99: from their names alone, so that a larger share only ever adds teams, a team made later
-- has its own at once, and two flags divide the teams differently.
create or replace function longshore.flag_bucket(flag text, team uuid) returns integer
language sql immutable parallel safe
return (('x' || encode(substr(sha256(convert_to(flag || ':' || team::text, 'UTF8')), 1, 4), 'hex'))::bit(32)::bigint % 100)::integer;

-- Whether a flag is on for a team: its override, else the share, else the default. Null: there is no such flag.
create or replace function queue.is_flag_on(flag text, team uuid) returns boolean
language sql stable set search_path = pg_catalog, pg_temp as $$
  select coalesce(o.is_on, longshore.flag_bucket(f.name, $2) < f.percent, f.default_on)
  from longshore.flags f left join longshore.flag_overrides o on o.flag = f.name and o.team_id = $2
  where f.name = $1
$$;

-- The same for whoever may act for the team.
create or replace function longshore.flag_is_on(flag text, team uuid) returns boolean
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform queue.guard_team(team);
  return queue.is_flag_on(flag, team);
end $$;

-- Whether jobs of this kind wait in this team.
create or replace function queue.holds_back(team uuid, kind text) returns boolean
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  return exists (
    select from longshore.flags f left join longshore.flag_overrides o on o.flag = f.name and o.team_id = team
    where f.kind = holds_back.kind and not coalesce(o.is_on, longshore.flag_bucket(f.name, team) < f.percent, f.default_on));
end $$;

-- Parks ready jobs of a lane whose kind waits in its team: out of the claim's way, about `most` of them. Returns how many. A
-- change of a flag excludes it, and wakes what it set aside before; so no job is parked by what a flag no longer says.
create or replace function queue.set_aside(q smallint, team uuid, kind text, most integer) returns integer
language plpgsql set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  why text;
  n integer;
begin
  if not pg_try_advisory_xact_lock_shared(7203446) then return 0; end if;
  -- A statement of its own: it sees what was committed before the lock was had.
  select format('rollout %s: off for this team', f.name) into why from longshore.flags f
  where f.kind = set_aside.kind and not queue.is_flag_on(f.name, set_aside.team);
  if not found then return 0; end if;
  with held as materialized (
    select r.ctid as at, cardinality(r.jobs) as size, r.priority, r.first_job from queue.ready r
    where r.queue_id = q and r.team_id = set_aside.team and r.kind = set_aside.kind
    order by r.priority, r.first_job limit most
    for update skip locked
  ), chosen as (
    select h.at from (select h.at, sum(h.size) over (order by h.priority, h.first_job) - h.size as before from held h) h where h.before < most
  ), gone as (
    delete from queue.ready r using chosen c where r.ctid = c.at returning r.*
  ), parked as (
    insert into queue.scheduled (job_id, team_id, run_at, queue_id, kind, priority, keep, attempt, special, limit_key, limit_to, reason, detail)
    select j.id, g.team_id, 'infinity', g.queue_id, g.kind, g.priority, g.keep, g.attempt, g.special, g.limit_key, g.limit_to, 'parked', why
    from gone g cross join lateral unnest(g.jobs) j(id)
    returning 1
  )
  select count(*) into n from parked;
  return n;
end $$;

-- Makes ready what a flag held back and holds back no more. The flag's change is done, and the lock of set_aside is held.
create or replace function queue.wake_held_back(flag text) returns integer
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  n integer;
begin
  update queue.scheduled s set run_at = now()
  where s.run_at = 'infinity' and starts_with(s.detail, 'rollout ' || flag || ':')
    and (not exists (select from longshore.flags f where f.name = flag and f.kind = s.kind) or queue.is_flag_on(flag, s.team_id));
  get diagnostics n = row_count;
  return n;
end $$;

grant execute on function longshore.flag_is_on(text, uuid) to longshore_api, longshore_worker, longshore_scheduler, longshore_operator;
grant execute on function longshore.flag_bucket(text, uuid) to longshore_operator;

reset role;
