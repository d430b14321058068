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

-- Credits were charged for a text, or for one that a model wrote. The job that held them names the message. Two look-ups by their
-- keys, which a join of both would not always be.
create or replace function longshore.charges_counted() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off set plan_cache_mode = force_generic_plan as $$
declare
  named text;
begin
  select j.payload ->> 'message_id' into named from queue.jobs j
  where j.id = new.job_id and j.team_id = new.team_id and j.kind in ('send_sms', 'write_text') limit 1;
  if named ~ '^[0-9]{1,18}$' then
    insert into longshore.campaign_moves (team_id, campaign_id, step, variant, measure, n)
    select m.team_id, m.campaign_id, m.step, m.variant, 'credits', new.captured - old.captured
    from longshore.messages m where m.team_id = new.team_id and m.message_id = named::bigint;
  end if;
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

-- Why a team can't text from a number: it is none of the team's, or it is out of use and no other of its pool stands in. Null: it can.
create or replace function longshore.sender_fault(team uuid, phone text) returns text
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  s record;
begin
  perform queue.guard_team(team);
  select x.pool, x.retired_at into s from longshore.senders x where x.team_id = team and x.phone = sender_fault.phone;
  if not found then return 'sender_unregistered'; end if;
  if s.retired_at is null or exists (
    select from longshore.senders o where o.team_id = team and o.pool = s.pool and o.pool <> '' and o.retired_at is null
  ) then return null; end if;
  return 'sender_retired';
end $$;

-- The same of a campaign's number; null too where it sends mail only.
create or replace function longshore.campaign_sender_fault(team uuid, campaign bigint) returns text
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  perform queue.guard_team(team);
  return (
    select longshore.sender_fault(c.team_id, c.sender)
    from longshore.campaigns c
    where c.team_id = team and c.campaign_id = campaign and exists (
      select from longshore.campaign_steps s
      left join longshore.step_contents x on x.team_id = s.team_id and x.campaign_id = s.campaign_id and x.step = s.step
      where s.team_id = c.team_id and s.campaign_id = c.campaign_id and coalesce(x.channel, 'sms') <> 'email'));
end $$;

-- Activates up to `most` scheduled campaigns whose time has come, of all teams, the longest due first, and lets their sequences
-- begin. One whose number is gone by now begins paused, with the reason. Returns how many. What another scheduler has in hand is
-- passed over.
create or replace function longshore.activate_due_campaigns(most integer, at timestamptz default null) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  moment constant timestamptz := coalesce(at, now());
  c record;
  fault text;
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
    fault := longshore.campaign_sender_fault(c.team_id, c.campaign_id);
    if fault is null then
      perform longshore.enqueue_sequence(c.team_id, c.campaign_id);
    else
      update longshore.campaigns x set state = 'paused', state_reason = fault
      where x.team_id = c.team_id and x.campaign_id = c.campaign_id;
    end if;
    perform longshore.audit(c.team_id, 'scheduler', 'campaign.activate', 'campaign ' || c.campaign_id, null,
      jsonb_build_object('state', 'scheduled'), jsonb_strip_nulls(jsonb_build_object(
        'state', case when fault is null then 'active' else 'paused' end, 'because', fault, 'activate_at', c.activate_at)));
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

-- Looks after the next `most` active campaigns behind a place, of all teams. One of whose texts carriers take more than `share` of at
-- least `at_least` for spam, within `window_seconds`, is paused: `codes` are the vendor's words for it, of this version of the book.
-- One in which nobody has been left for `quiet_seconds` is completed (null: none is by itself). Returns where to go on (nulls: at the
-- end) and what it did: one deed a transaction, since each holds a campaign and its team's audit log, in the order of whoever moves one.
create or replace function longshore.watch_campaigns(behind_team uuid, behind_campaign bigint, most integer,
  codes text[], version text, share double precision, at_least bigint, window_seconds double precision, quiet_seconds double precision,
  at timestamptz default null, out next_team uuid, out next_campaign bigint, out paused integer, out completed integer)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  moment constant timestamptz := coalesce(at, now());
  measures constant text[] := array(select 'failed:' || code from unnest(codes) code);
  c record;
  spam bigint;
  total bigint;
  quiet timestamptz;
  seen integer := 0;
begin
  paused := 0;
  completed := 0;
  for c in
    select x.team_id, x.campaign_id, f.enrolled, f.left_over, f.ended, f.accepted, f.filtered, w.quiet_since,
      w.window_at, w.ended as ended_then, w.accepted as accepted_then, w.filtered as filtered_then,
      -- What was seen before it was activated or resumed says nothing of it now.
      coalesce(w.window_at < x.changed_at, true) as is_new
    from (
      select y.team_id, y.campaign_id, y.changed_at from longshore.campaigns y
      where y.state = 'active'
        and (y.team_id, y.campaign_id) > (coalesce(behind_team, '00000000-0000-0000-0000-000000000000'), coalesce(behind_campaign, 0))
      order by y.team_id, y.campaign_id
      limit most
    ) x
    cross join lateral (
      select coalesce(sum(k.n) filter (where k.measure = 'enrolled'), 0)::bigint as enrolled,
        coalesce(sum(k.n) filter (where k.measure in ('now:running', 'now:planned', 'now:dispatching', 'now:unknown')), 0)::bigint as left_over,
        coalesce(sum(k.n) filter (where k.measure in ('now:delivered', 'now:failed')), 0)::bigint as ended,
        coalesce(sum(k.n) filter (where k.measure = 'accepted'), 0)::bigint as accepted,
        coalesce(sum(k.n) filter (where k.measure = any (measures)), 0)::bigint as filtered
      from longshore.campaign_counts k
      where k.team_id = x.team_id and k.campaign_id = x.campaign_id
    ) f
    left join longshore.campaign_watch w on w.team_id = x.team_id and w.campaign_id = x.campaign_id
    order by x.team_id, x.campaign_id
  loop
    seen := seen + 1;
    next_team := c.team_id;
    next_campaign := c.campaign_id;

    -- Reports come behind the texts, and from some carriers never: whichever is more, what was taken or what was reported of.
    spam := c.filtered - c.filtered_then;
    total := greatest(c.ended - c.ended_then, c.accepted - c.accepted_then);
    if not c.is_new and total >= at_least and spam > share * total then
      if longshore.end_by_itself(c.team_id, c.campaign_id, 'paused', 'filtered', moment, jsonb_build_object(
          'filtered', spam, 'of', total, 'since', longshore.audit_moment(c.window_at), 'more_than', share, 'rules_version', version)) then
        paused := 1;
        return;
      end if;
      continue;
    end if;

    quiet := case
      when c.enrolled = 0 or c.left_over > 0 then null
      when c.is_new then moment
      else coalesce(c.quiet_since, moment)
    end;
    if quiet <= moment - make_interval(secs => quiet_seconds) and not c.is_new then
      if longshore.end_by_itself(c.team_id, c.campaign_id, 'completed', 'all_through', moment,
          jsonb_build_object('enrolled', c.enrolled, 'since', longshore.audit_moment(quiet))) then
        completed := 1;
        return;
      end if;
      continue;
    end if;

    if c.is_new or c.window_at < moment - make_interval(secs => window_seconds) or quiet is distinct from c.quiet_since then
      insert into longshore.campaign_watch as w (team_id, campaign_id, window_at, ended, accepted, filtered, quiet_since)
      values (c.team_id, c.campaign_id, moment, c.ended, c.accepted, c.filtered, quiet)
      on conflict (team_id, campaign_id) do update
      set window_at = excluded.window_at, ended = excluded.ended, accepted = excluded.accepted, filtered = excluded.filtered,
        quiet_since = excluded.quiet_since;
    end if;
  end loop;
  if seen < most then
    next_team := null;
    next_campaign := null;
  end if;
end $$;

-- Pauses or completes an active campaign, and writes down why. False: it is not active any more, or, where it is to be completed,
-- somebody has it in hand or something of it is under way after all. A pause waits for the sends that hold it. Whoever enrolls, plans or sends holds its row shared, so behind
-- this lock nothing new begins; and the counters, added up with what was not folded yet, are what has committed.
create or replace function longshore.end_by_itself(team uuid, campaign bigint, becomes text, because text, moment timestamptz, facts jsonb)
returns boolean
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if becomes = 'paused' then
    perform from longshore.campaigns x where x.team_id = team and x.campaign_id = campaign and x.state = 'active' for update;
  else
    perform from longshore.campaigns x where x.team_id = team and x.campaign_id = campaign and x.state = 'active' for update skip locked;
  end if;
  if not found then return false; end if;
  if becomes = 'completed' then
    if exists (
      select from (
        select k.n from longshore.campaign_counts k where k.team_id = team and k.campaign_id = campaign
          and k.measure in ('now:running', 'now:planned', 'now:dispatching', 'now:unknown')
        union all
        select k.n from longshore.campaign_moves k where k.team_id = team and k.campaign_id = campaign
          and k.measure in ('now:running', 'now:planned', 'now:dispatching', 'now:unknown')
      ) left_over having sum(left_over.n) <> 0
    ) then return false; end if;
    -- An enrollment that was asked for and is not over; one whose job died or was cancelled is.
    if exists (
      select from longshore.enrollment_runs r
      where r.team_id = team and r.campaign_id = campaign and r.ended_at is null
        and not exists (select from queue.outcomes o where o.job_id = r.job_id and o.team_id = r.team_id)
    ) then return false; end if;
  end if;
  update longshore.campaigns x set state = becomes, state_reason = because, changed_at = moment
  where x.team_id = team and x.campaign_id = campaign;
  perform longshore.audit(team, 'scheduler', case becomes when 'paused' then 'campaign.pause' else 'campaign.complete' end,
    'campaign ' || campaign, null, jsonb_build_object('state', 'active'),
    jsonb_build_object('state', becomes, 'because', because) || facts);
  return true;
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
  longshore.run_due_sequences(uuid, bigint, integer, timestamptz),
  longshore.watch_campaigns(uuid, bigint, integer, text[], text, double precision, bigint, double precision, double precision, timestamptz)
  to longshore_scheduler;
grant execute on function longshore.tell_campaign(uuid, bigint) to longshore_worker;
-- These act with their caller's rights, and ask whose transaction it is as the others do.
grant execute on function queue.guard_team(uuid), longshore.sender_fault(uuid, text), longshore.campaign_sender_fault(uuid, bigint)
  to longshore_api, longshore_worker, longshore_operator;

reset role;
