-- Campaigns: their figures as they change, and what begins by itself when its time has come.
set local role longshore_engine;

-- Enrollments came, or changed their state.
create or replace function longshore.enrollments_counted() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if tg_op = 'INSERT' then
    insert into longshore.campaign_moves (team_id, campaign_id, step, variant, measure, n)
    select f.team_id, f.campaign_id, 0, '', v.measure, f.n
    from (select x.team_id, x.campaign_id, x.state, count(*) as n from fresh x group by 1, 2, 3) f
    cross join lateral (values ('enrolled'), ('now:' || f.state)) v (measure);
    return null;
  end if;
  -- Both tables of a transition hold the same rows in the same order; the few ways from state to state are what is joined.
  insert into longshore.campaign_moves (team_id, campaign_id, step, variant, measure, n)
  select m.team_id, m.campaign_id, 0, '', 'now:' || m.state, sum(m.n)
  from (
    select x.team_id, x.campaign_id, x.state, -count(*) as n from was x group by 1, 2, 3
    union all
    select x.team_id, x.campaign_id, x.state, count(*) from fresh x group by 1, 2, 3
  ) m
  group by m.team_id, m.campaign_id, m.state
  having sum(m.n) <> 0;
  return null;
end $$;

-- Messages were planned, or went on. `now:…` is where they stand; the rest only ever grows.
create or replace function longshore.messages_counted() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if tg_op = 'INSERT' then
    insert into longshore.campaign_moves (team_id, campaign_id, step, variant, measure, n)
    select f.team_id, f.campaign_id, f.step, f.variant, v.measure, f.n
    from (
      select x.team_id, x.campaign_id, x.step, x.variant, x.state,
        case when x.state = 'suppressed' then split_part(coalesce(x.state_reason, ''), ':', 1) end as rule, count(*) as n
      from fresh x
      group by 1, 2, 3, 4, 5, 6
    ) f
    cross join lateral (values ('planned'), ('now:' || f.state), ('suppressed:' || f.rule)) v (measure)
    where v.measure is not null;
    return null;
  end if;
  -- A statement that touched neither state, nor segments, nor what was accepted says so by its sums, and nothing is written.
  insert into longshore.campaign_moves (team_id, campaign_id, step, variant, measure, n)
  select m.team_id, m.campaign_id, m.step, m.variant, v.measure, sum(v.n * m.sign)
  from (
    select x.team_id, x.campaign_id, x.step, x.variant, x.state, x.state_reason, x.accepted_at, x.segments, x.error_code, -1 as sign from was x
    union all
    select x.team_id, x.campaign_id, x.step, x.variant, x.state, x.state_reason, x.accepted_at, x.segments, x.error_code, 1 from fresh x
  ) m
  cross join lateral (values
    ('now:' || m.state, 1), ('accepted', (m.accepted_at is not null)::integer), ('segments', coalesce(m.segments, 0)),
    ('failed:' || coalesce(m.error_code::text, ''), (m.state = 'failed')::integer),
    ('suppressed:' || split_part(coalesce(m.state_reason, ''), ':', 1), (m.state = 'suppressed')::integer)
  ) v (measure, n)
  where v.n <> 0
  group by m.team_id, m.campaign_id, m.step, m.variant, v.measure
  having sum(v.n * m.sign) <> 0;
  return null;
end $$;

-- Somebody has written: a reply to the last message that they were sent.
create or replace function longshore.replies_counted() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  insert into longshore.campaign_moves (team_id, campaign_id, step, variant, measure, n)
  select new.team_id, last.campaign_id, last.step, last.variant, v.measure, 1
  from (
    select m.campaign_id, m.step, m.variant from longshore.messages m
    where m.team_id = new.team_id and m.recipient = new.sender and m.attempted_at is not null
    order by m.attempted_at desc limit 1
  ) last
  cross join lateral (values ('replies'), (case when new.meaning = 'stop' then 'opt_outs' end)) v (measure)
  where v.measure is not null;
  return null;
end $$;

-- Folds up to `most` moves into the counts, and returns how many it took. Whoever reads adds both, so that a figure is right
-- between two folds as well.
create or replace function longshore.fold_campaign_moves(most integer) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  taken integer;
begin
  with hand as materialized (
    select m.team_id, m.campaign_id, m.move_id from longshore.campaign_moves m limit most for update skip locked
  ), gone as (
    delete from longshore.campaign_moves m using hand h
    where m.team_id = h.team_id and m.campaign_id = h.campaign_id and m.move_id = h.move_id
    returning m.team_id, m.campaign_id, m.step, m.variant, m.measure, m.n
  ), kept as (
    -- Sorted, so that two who fold wait for each other instead of deadlocking.
    insert into longshore.campaign_counts as c (team_id, campaign_id, step, variant, measure, n)
    select g.team_id, g.campaign_id, g.step, g.variant, g.measure, sum(g.n)
    from gone g
    group by 1, 2, 3, 4, 5
    order by 1, 2, 3, 4, 5
    on conflict (team_id, campaign_id, step, variant, measure) do update set n = c.n + excluded.n
  )
  select count(*) into taken from gone;
  return taken;
end $$;

-- Enqueues the run of a campaign's sequence, unless one is on its way. Returns whether it did.
create or replace function longshore.enqueue_sequence(team uuid, campaign bigint) returns boolean
language sql set search_path = pg_catalog, pg_temp as $$
  select not e.deduplicated
  from queue.enqueue(team, 'run_sequence', jsonb_build_object('campaign_id', campaign), 'campaign ' || campaign,
    key_scope => 'unfinished') e
$$;

-- Activates up to `most` scheduled campaigns whose time has come, of all teams, the longest due first, and lets their sequences
-- begin. Returns how many. What another scheduler has in hand is passed over.
create or replace function longshore.activate_due_campaigns(most integer, at timestamptz default null) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  moment constant timestamptz := coalesce(at, now());
  c record;
  activated integer := 0;
begin
  for c in
    with due as materialized (
      select x.team_id, x.campaign_id from longshore.campaigns x
      where x.state = 'scheduled' and x.activate_at <= moment
      order by x.activate_at limit most
      for update skip locked
    )
    update longshore.campaigns x
    set state = 'active', changed_at = moment, activated_at = coalesce(x.activated_at, moment),
      opens_at = coalesce(x.opens_at, moment + make_interval(mins => s.delay_minutes))
    from due d join longshore.campaign_steps s on s.team_id = d.team_id and s.campaign_id = d.campaign_id and s.step = 1
    where x.team_id = d.team_id and x.campaign_id = d.campaign_id
    returning x.team_id, x.campaign_id, x.activate_at
  loop
    perform longshore.enqueue_sequence(c.team_id, c.campaign_id);
    perform longshore.audit(c.team_id, 'scheduler', 'campaign.activate', 'campaign ' || c.campaign_id, null,
      jsonb_build_object('state', 'scheduled'), jsonb_build_object('state', 'active', 'activate_at', c.activate_at));
    activated := activated + 1;
  end loop;
  return activated;
end $$;

-- Of the next `most` active campaigns behind a place, of all teams: lets those begin a run that have a due step and
-- none under way. Returns where to go on (nulls: at the end) and how many runs it enqueued.
create or replace function longshore.run_due_sequences(behind_team uuid, behind_campaign bigint, most integer, at timestamptz default null,
  out next_team uuid, out next_campaign bigint, out enqueued integer)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  moment constant timestamptz := coalesce(at, now());
  c record;
  seen integer := 0;
begin
  enqueued := 0;
  for c in
    select x.team_id, x.campaign_id,
      x.opens_at <= moment and exists (
        select from longshore.enrollments e
        where e.team_id = x.team_id and e.campaign_id = x.campaign_id and e.state = 'running' and e.next_due_at <= moment
        offset 0
      ) as due
    from longshore.campaigns x
    where x.state = 'active'
      and (x.team_id, x.campaign_id) > (coalesce(behind_team, '00000000-0000-0000-0000-000000000000'), coalesce(behind_campaign, 0))
    order by x.team_id, x.campaign_id
    limit most
  loop
    seen := seen + 1;
    next_team := c.team_id;
    next_campaign := c.campaign_id;
    if c.due and longshore.enqueue_sequence(c.team_id, c.campaign_id) then enqueued := enqueued + 1; end if;
  end loop;
  if seen < most then
    next_team := null;
    next_campaign := null;
  end if;
end $$;

-- Tells the team's endpoints of a campaign that is there now. Returns how many hear of it; null: there is no such campaign.
create or replace function longshore.tell_campaign(team uuid, campaign bigint) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  c longshore.campaigns;
begin
  perform queue.guard_team(team);
  select * into c from longshore.campaigns x where x.team_id = team and x.campaign_id = campaign;
  if not found then return null; end if;
  return longshore.tell(team, 'campaign.created', jsonb_build_object('campaign_id', c.campaign_id, 'state', c.state,
    'cloned_from', c.cloned_from, 'created_at', longshore.audit_moment(c.created_at), 'at', longshore.audit_moment(now())));
end $$;

grant execute on function longshore.fold_campaign_moves(integer), longshore.activate_due_campaigns(integer, timestamptz),
  longshore.run_due_sequences(uuid, bigint, integer, timestamptz) to longshore_scheduler;
grant execute on function longshore.tell_campaign(uuid, bigint) to longshore_worker;

reset role;
