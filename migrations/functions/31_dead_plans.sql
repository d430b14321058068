-- Plans for dead letters: made and sealed in one transaction, approved by a second person where they are large, run letter
-- by letter. Each letter is settled in one transaction with its row in the plan, so that no crash replays it twice.
set local role longshore_engine;

-- The plan, locked until the transaction ends.
create or replace function queue.lock_plan(team uuid, plan bigint) returns queue.plans
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  p queue.plans;
begin
  perform queue.guard_team(team);
  select * into p from queue.plans x where x.team_id = team and x.plan_id = plan for update;
  if not found then
    raise exception 'plan_% is not a plan of this team', plan using errcode = 'LS012', detail = 'plan_id';
  end if;
  return p;
end $$;

-- Opens a plan without letters, and returns its number.
create or replace function queue.open_plan(team uuid, by text, filter jsonb, patch jsonb default null,
  per_second double precision default null, note text default null) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  made bigint;
begin
  perform queue.guard_team(team);
  insert into queue.plans (team_id, made_by, filter, patch, per_second, note)
  values (team, by, open_plan.filter, open_plan.patch, open_plan.per_second, open_plan.note)
  returning plan_id into made;
  return made;
end $$;

-- Adds dead letters, in this order: the team's, and any team's where an operator adds them to a plan of the house. A null
-- among `payloads` keeps the letter's own; a null among `problems` leaves it to queue.problem to find one. A letter with a
-- problem is refused here and now.
create or replace function queue.add_to_plan(team uuid, plan bigint, jobs bigint[], payloads jsonb[], problems text[]) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  p queue.plans := queue.lock_plan(team, plan);
  added integer;
  wrong integer;
begin
  if p.sealed_at is not null then
    raise exception 'plan_% is sealed', plan using errcode = 'LS013', detail = 'plan_id', hint = 'Make another plan.';
  end if;
  with items as (
    insert into queue.plan_items (team_id, plan_id, job_id, position, payload, price, result, reason, at)
    select d.team_id, plan, d.job_id, p.letters + row_number() over (order by g.n), g.payload, coalesce(k.price, 0),
      case when why.reason is not null then 'refused' end, why.reason, case when why.reason is not null then now() end
    from unnest(jobs, payloads, problems) with ordinality g(job_id, payload, problem, n)
    join queue.dead d on d.job_id = g.job_id
      and (d.team_id = team or team = '00000000-0000-0000-0000-000000000001' and longshore.current_team() is null)
    left join queue.kinds k on k.kind = d.kind
    cross join lateral (
      select coalesce(g.problem, case when k.kind is null then 'no build has announced kind ' || d.kind
        else split_part(queue.problem(k, coalesce(g.payload, d.payload), null, null, d.priority), '|', 3) end) as reason
    ) why
    returning result
  )
  select count(*), count(result) into added, wrong from items;
  update queue.plans x set letters = x.letters + added, settled = x.settled + wrong where x.team_id = team and x.plan_id = plan;
end $$;

-- Closes a plan's selection. True: it is larger than its maker may run alone.
create or replace function queue.seal_plan(team uuid, plan bigint, approve_above_jobs bigint, approve_above_credits bigint) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  p queue.plans := queue.lock_plan(team, plan);
  open bigint;
  cost bigint;
begin
  if p.sealed_at is not null then return p.needs_approval; end if;
  select count(*), coalesce(sum(i.price), 0) into open, cost from queue.plan_items i where i.plan_id = plan and i.result is null;
  update queue.plans x set sealed_at = now(), credits = cost, needs_approval = open > approve_above_jobs or cost > approve_above_credits
  where x.team_id = team and x.plan_id = plan
  returning x.* into p;
  perform longshore.audit_deed(team, p.made_by, 'dead.plan', 'plan_' || plan, p.note, null,
    jsonb_build_object('filter', p.filter, 'edited', p.patch is not null, 'letters', p.letters, 'refused', p.settled, 'credits', cost,
      'per_second', p.per_second, 'needs_approval', p.needs_approval));
  return p.needs_approval;
end $$;

-- Approves a plan, by another person than made it.
create or replace function queue.approve_plan(team uuid, plan bigint, by text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  p queue.plans := queue.lock_plan(team, plan);
begin
  if lower(btrim(by)) = lower(btrim(p.made_by)) then
    raise exception 'plan_% was made by %, and is approved by somebody else', plan, p.made_by using errcode = 'LS018', detail = 'plan_id';
  end if;
  update queue.plans x set approved_by = by, approved_at = now() where x.team_id = team and x.plan_id = plan and x.approved_at is null;
  if found then
    perform longshore.audit_deed(team, by, 'dead.approve', 'plan_' || plan, null, null,
      jsonb_build_object('made_by', p.made_by, 'letters', p.letters, 'credits', p.credits));
  end if;
end $$;

-- Lets a plan run, from where it stopped. Who steps through it (a worker, the command line) needs no further right.
create or replace function queue.start_plan(team uuid, plan bigint, by text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  p queue.plans := queue.lock_plan(team, plan);
begin
  if p.needs_approval and p.approved_at is null then
    raise exception 'plan_% is too large for one person: it needs an approval', plan using errcode = 'LS019', detail = 'plan_id',
      hint = format('Somebody other than %s runs: longshore dead approve plan_%s', p.made_by, plan);
  end if;
  update queue.plans x set started_by = by, started_at = coalesce(x.started_at, now()), stopped_by = null, stopped_at = null
  where x.team_id = team and x.plan_id = plan;
  perform longshore.audit_deed(team, by, 'dead.run', 'plan_' || plan, null,
    jsonb_build_object('started_before', p.started_at is not null, 'stopped_by', p.stopped_by),
    jsonb_build_object('left', p.letters - p.settled, 'credits', p.credits));
end $$;

-- Stops a plan behind the letter it is at. False: it does not run.
create or replace function queue.stop_plan(team uuid, plan bigint, by text) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  p queue.plans := queue.lock_plan(team, plan);
begin
  update queue.plans x set stopped_by = by, stopped_at = now()
  where x.team_id = team and x.plan_id = plan and x.started_at is not null and x.stopped_at is null and x.ended_at is null;
  if not found then return false; end if;
  perform longshore.audit_deed(team, by, 'dead.stop', 'plan_' || plan, null, null,
    jsonb_build_object('replayed', p.replayed, 'left', p.letters - p.settled));
  return true;
end $$;

-- Settles the next letter of a running plan. `state`: replayed, refused or settled (by somebody else), as its row now says;
-- or nothing was done: waits (its rate allows the next one in `wait_seconds`), stopped, ended. `at`: the present moment.
-- Many may step through one plan: its row is their meeting point, so that the rate holds for all of them together.
create or replace function queue.step_plan(team uuid, plan bigint, at timestamptz default null,
  out state text, out job_id bigint, out replayed_as bigint, out reason text, out wait_seconds double precision)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  clock constant timestamptz := coalesce(step_plan.at, now());
  acting constant text := coalesce(current_setting('app.team_id', true), '');
  p queue.plans := queue.lock_plan(team, plan);
  i queue.plan_items;
begin
  if p.started_at is null or p.stopped_at is not null then
    state := 'stopped';
    return;
  end if;
  select * into i from queue.plan_items x
  where x.plan_id = plan and x.position > p.position and x.result is null order by x.position limit 1;
  if not found then
    update queue.plans x set ended_at = clock where x.team_id = team and x.plan_id = plan and x.ended_at is null;
    state := 'ended';
    return;
  end if;
  if p.next_at > clock then
    state := 'waits';
    wait_seconds := extract(epoch from p.next_at - clock);
    return;
  end if;
  job_id := i.job_id;
  begin
    -- A plan of the house has letters of any team: each is replayed as its own.
    perform set_config('app.team_id', i.team_id::text, true);
    replayed_as := queue.replay_letter(i.team_id, i.job_id, format('%s (plan_%s)', p.started_by, plan), i.payload);
    state := 'replayed';
  exception when others then
    if sqlstate not like 'LS%' then raise; end if;
    state := case when sqlstate in ('LS012', 'LS013') then 'settled' else 'refused' end;
    reason := sqlerrm;
  end;
  perform set_config('app.team_id', acting, true);
  update queue.plan_items x set result = state, reason = step_plan.reason, replayed_as = step_plan.replayed_as, at = clock
  where x.team_id = i.team_id and x.plan_id = plan and x.job_id = i.job_id;
  -- A tenth of a second may be made up for, or the way here and back would slow it. Only a replay counts for the rate.
  update queue.plans x set position = i.position, settled = x.settled + 1, replayed = x.replayed + (state = 'replayed')::integer,
    next_at = case when state = 'replayed' and x.per_second is not null
      then greatest(x.next_at, clock - interval '100 milliseconds') + make_interval(secs => 1 / x.per_second) else x.next_at end
  where x.team_id = team and x.plan_id = plan;
end $$;

grant execute on function queue.open_plan(uuid, text, jsonb, jsonb, double precision, text),
  queue.add_to_plan(uuid, bigint, bigint[], jsonb[], text[]), queue.seal_plan(uuid, bigint, bigint, bigint),
  queue.start_plan(uuid, bigint, text), queue.stop_plan(uuid, bigint, text) to longshore_api, longshore_operator;
grant execute on function queue.approve_plan(uuid, bigint, text) to longshore_operator;
grant execute on function queue.step_plan(uuid, bigint, timestamptz) to longshore_worker, longshore_operator;

reset role;
