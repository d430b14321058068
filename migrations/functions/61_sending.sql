-- Sending: what the gates of a message ask and mark in one transaction, and the numbers that texts leave from. The verdict is
-- the worker's (workers/messages/gates.rs): these hold the rows, gather the facts, and write down what was decided.
set local role longshore_engine;

-- The day by which carriers count a number's texts.
create or replace function longshore.carrier_day(at timestamptz) returns date
language sql immutable set search_path = pg_catalog, pg_temp as $$ select (at at time zone 'America/Los_Angeles')::date $$;

-- When that day is over.
create or replace function longshore.carrier_midnight(at timestamptz) returns timestamptz
language sql immutable set search_path = pg_catalog, pg_temp as $$
  select ((at at time zone 'America/Los_Angeles')::date + 1)::timestamp at time zone 'America/Los_Angeles'
$$;

-- From which of a team's numbers a text should leave: `planned`, or one that may stand in for it (of the same pool). Whoever was
-- texted before hears from the same number again, unless that one is out of use; others are spread over the pool by weight, each
-- person always to the same number while the pool stays as it is. `closed` says why none may be used now, and for how long
-- (`wait_seconds`; null: until somebody does something about it).
create or replace function longshore.choose_sender(team uuid, planned text, recipient text, held_place text,
  out phone text, out why text, out closed text, out wait_seconds double precision)
language plpgsql stable set search_path = pg_catalog, pg_temp set enable_seqscan = off set plan_cache_mode = force_generic_plan as $$
declare
  today constant date := longshore.carrier_day(now());
  own longshore.senders;
  one record;
  n integer := 0;
  usable integer := 0;
  weight double precision;
  best double precision;
  wait double precision;
  soonest double precision;
  its_reason text;
  known text;
begin
  perform queue.guard_team(team);
  select * into own from longshore.senders s where s.team_id = team and s.phone = planned;
  if not found then closed := 'sender_unregistered'; return; end if;
  if own.pool <> '' then
    select m.sender into known from longshore.messages m
    where m.team_id = team and m.recipient = choose_sender.recipient and m.attempted_at is not null
    order by m.attempted_at desc limit 1;
  end if;
  for one in
    select s.phone, s.per_second, s.daily_segments, x.state, x.rests_until, x.day, x.segments
    from longshore.senders s join longshore.sender_standing x on x.team_id = s.team_id and x.phone = s.phone
    where s.team_id = team and s.retired_at is null and (s.phone = planned or (own.pool <> '' and s.pool = own.pool))
  loop
    n := n + 1;
    continue when one.state = 'quarantined';
    usable := usable + 1;
    wait := 0;
    if one.state = 'resting' and one.rests_until > now() then
      wait := extract(epoch from one.rests_until - now());
      its_reason := 'sender_resting';
    elsif one.day = today and one.segments >= one.daily_segments then
      wait := extract(epoch from longshore.carrier_midnight(now()) - now());
      its_reason := 'sender_daily_cap';
    end if;
    if one.phone = known then
      -- A thread is not torn for a rest: it waits.
      phone := one.phone;
      why := 'sticky';
      closed := case when wait > 0 then its_reason end;
      wait_seconds := nullif(wait, 0);
      return;
    end if;
    if wait > 0 then
      if soonest is null or wait < soonest then
        soonest := wait;
        closed := its_reason;
      end if;
      continue;
    end if;
    -- Weighted rendezvous: each number draws by the hash of the two, the greatest wins; one number more or less moves only its
    -- own share of the people. The one in whose line the message stands already wins anyway.
    weight := case when one.phone = held_place then 'infinity'
      else -one.per_second / ln(((hashtextextended(recipient, hashtextextended(one.phone, 0)) & 4503599627370495) + 1) / 4503599627370497.0) end;
    if best is null or weight > best then
      best := weight;
      phone := one.phone;
    end if;
  end loop;
  if phone is not null then
    why := case when phone = held_place then 'held' else 'spread' end;
    closed := null;
  elsif usable > 0 then
    wait_seconds := soonest;
  else
    closed := case when n > 0 then 'sender_quarantined' else 'sender_retired' end;
  end if;
end $$;

-- Holds what a message's gates look at, until the transaction ends: the campaign against pause, stop and recall, the lead against
-- an opt-out and against another send to the same person, the message itself. Behind those locks, each in a statement of its own
-- that sees what was committed first, the rest of the facts. No row: the team has no such message.
create or replace function longshore.open_gate(team uuid, message bigint, judged_at timestamptz)
returns table (
  campaign_id bigint, lead_id bigint, state text, sender text, recipient text, body text, purpose text, looks smallint, tries smallint,
  attempted_at timestamptz, age_seconds double precision, taken boolean,
  campaign text, lead_stopped boolean, same_number boolean, lead_state text, enrollment text, suppressed text[],
  consent_id bigint, consent_level text, consent_proven boolean, consent_expires_at timestamptz,
  sent_lately bigint, frees_in_seconds double precision,
  from_sender text, from_why text, from_closed text, from_wait_seconds double precision
)
language plpgsql set search_path = pg_catalog, pg_temp set enable_seqscan = off set plan_cache_mode = force_generic_plan as $$
#variable_conflict use_column
declare
  m longshore.messages;
  lead_phone text;
begin
  perform queue.guard_team(team);
  select x.campaign_id, x.lead_id into campaign_id, lead_id from longshore.messages x where x.team_id = team and x.message_id = message;
  if not found then return; end if;
  -- Always in this order: whoever else takes two of these rows takes them so (migration 0040).
  select c.state, c.purpose into campaign, purpose from longshore.campaigns c
  where c.team_id = team and c.campaign_id = open_gate.campaign_id for share;
  select l.phone, l.state, l.stopped_at is not null into lead_phone, lead_state, lead_stopped from longshore.leads l
  where l.team_id = team and l.lead_id = open_gate.lead_id for no key update;
  select * into m from longshore.messages x where x.team_id = team and x.message_id = message for update;
  state := m.state;
  sender := m.sender;
  recipient := m.recipient;
  body := m.body;
  looks := m.looks;
  tries := m.tries;
  attempted_at := m.attempted_at;
  age_seconds := extract(epoch from clock_timestamp() - m.attempted_at);
  taken := m.accepted_at is not null;
  -- Somebody has to look at it first; whoever clears it enqueues the job that sends it.
  if m.state = 'planned' and m.approval not in ('none', 'approved') then state := 'not_cleared'; end if;
  if state <> 'planned' then
    return next;
    return;
  end if;
  same_number := lead_phone is not distinct from m.recipient;
  select e.state into enrollment from longshore.enrollments e
  where e.team_id = team and e.campaign_id = m.campaign_id and e.lead_id = m.lead_id;
  suppressed := array(select s.reason from longshore.suppressions s
      where s.team_id = team and s.phone = m.recipient and s.lifted_at is null order by s.reason)
    || case when longshore.is_erased(team, m.recipient) then array['ERASED'] else '{}'::text[] end;
  -- The consent that carries furthest: written before spoken, without an end before with one.
  select c.consent_id, c.level, c.evidence is not null, c.expires_at into consent_id, consent_level, consent_proven, consent_expires_at
  from longshore.consents c
  where c.team_id = team and c.phone = m.recipient and c.revoked_at is null
    and (c.purpose = open_gate.purpose or (open_gate.purpose = 'transactional' and c.purpose = 'marketing'))
  order by (c.expires_at is null or c.expires_at > judged_at) desc, (c.level = 'express_written') desc, c.expires_at desc nulls first, c.consent_id
  limit 1;
  select count(*), coalesce(extract(epoch from min(x.attempted_at) + interval '24 hours' - now()), 0)::double precision
  into sent_lately, frees_in_seconds
  from longshore.messages x
  where x.team_id = team and x.recipient = m.recipient and x.attempted_at > now() - interval '24 hours'
    -- Of what failed behind the vendor's acceptance nobody knows that it did not arrive after all.
    and (x.state in ('dispatching', 'accepted', 'delivered', 'unknown') or (x.state = 'failed' and x.accepted_at is not null));
  select c.phone, c.why, c.closed, c.wait_seconds into from_sender, from_why, from_closed, from_wait_seconds
  from longshore.choose_sender(team, m.sender, m.recipient, m.slot_sender) c;
  return next;
end $$;

-- Holds messages with their campaigns and leads until the transaction ends, and returns those it could have at once: whoever waits
-- for one that somebody else has in hand would hold up the others.
create or replace function longshore.hold_free(team uuid, messages bigint[]) returns bigint[]
language plpgsql set search_path = pg_catalog, pg_temp set enable_seqscan = off set plan_cache_mode = force_generic_plan as $$
declare
  free bigint[];
begin
  perform queue.guard_team(team);
  free := array(select c.campaign_id from longshore.campaigns c where c.team_id = team and c.campaign_id in (
      select x.campaign_id from longshore.messages x where x.team_id = team and x.message_id = any (messages))
    for share skip locked);
  free := array(select x.message_id from longshore.messages x join longshore.leads l on l.team_id = x.team_id and l.lead_id = x.lead_id
    where x.team_id = team and x.message_id = any (messages) and x.campaign_id = any (free) for no key update of l skip locked);
  return array(select x.message_id from longshore.messages x where x.team_id = team and x.message_id = any (free) for update skip locked);
end $$;

-- The same as open_gate for several messages, each once.
create or replace function longshore.open_gates(team uuid, messages bigint[], judged_at timestamptz)
returns table (
  message_id bigint,
  campaign_id bigint, lead_id bigint, state text, sender text, recipient text, body text, purpose text, looks smallint, tries smallint,
  attempted_at timestamptz, age_seconds double precision, taken boolean,
  campaign text, lead_stopped boolean, same_number boolean, lead_state text, enrollment text, suppressed text[],
  consent_id bigint, consent_level text, consent_proven boolean, consent_expires_at timestamptz,
  sent_lately bigint, frees_in_seconds double precision,
  from_sender text, from_why text, from_closed text, from_wait_seconds double precision
)
language plpgsql set search_path = pg_catalog, pg_temp set enable_seqscan = off set plan_cache_mode = force_generic_plan as $$
#variable_conflict use_column
begin
  perform queue.guard_team(team);
  return query
  select one.id, g.* from (select distinct m.id from unnest(messages) m(id)) one
  cross join lateral longshore.open_gate(team, one.id, judged_at) g;
end $$;

-- The last gates, those of whom several messages want the same: the number's line and caps, the team's cap, its credits. Where they
-- are open too, the message is marked for the vendor, and from then on nobody sends it again. The decision is written either way,
-- with what these gates saw. Call it last, and commit: its locks are the hot ones, and the lease's comes behind them.
--
-- `closed` says which gate was not open, and `wait_seconds` for how long. A message that must wait for its turn has a place in the
-- number's line from then on: nobody asks twice for one.
create or replace function longshore.pass_gate(team uuid, message bigint, phone text, segments integer, credits bigint, team_cap bigint,
  batch integer, pause_seconds double precision, vendor text, boot uuid, fence bigint, job bigint,
  judged_at timestamptz, rules_version text, inputs jsonb,
  out closed text, out wait_seconds double precision, out available bigint)
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  -- A tenth of a second early is nothing to a carrier: the average holds.
  early constant interval := interval '0.1 seconds';
  -- Whoever comes later than this (the night lay between) stands in line anew: else all who are late would leave at once.
  late constant interval := interval '1 minute';
  s longshore.senders;
  x longshore.sender_standing;
  m record;
  t timestamptz;
  today date;
  held record;
  filled timestamptz;
  place timestamptz;
begin
  perform queue.guard_team(team);
  if team_cap is not null then
    perform pg_advisory_xact_lock(hashtextextended('texts of a day', hashtextextended(team::text, 0)));
  end if;
  select y.* into s from longshore.senders y where y.team_id = team and y.phone = pass_gate.phone;
  select y.* into x from longshore.sender_standing y where y.team_id = team and y.phone = pass_gate.phone for update;
  select y.slot_sender, y.slot_at, y.tries into m from longshore.messages y where y.team_id = team and y.message_id = message;
  t := clock_timestamp();
  today := longshore.carrier_day(t);
  if x.day <> today then
    x.day := today;
    x.segments := 0;
    x.messages := 0;
    x.filtered := 0;
    x.opted_out := 0;
  end if;
  if x.state = 'resting' and x.rests_until <= t then
    x.state := 'well';
    x.state_reason := null;
    x.rests_until := null;
  end if;
  if x.state <> 'well' then
    closed := 'sender_' || x.state;
    wait_seconds := extract(epoch from x.rests_until - t);
  elsif x.segments + pass_gate.segments > s.daily_segments then
    closed := 'sender_daily_cap';
    wait_seconds := extract(epoch from longshore.carrier_midnight(t) - t);
  elsif team_cap is not null and pass_gate.segments + (
      select coalesce(sum(y.segments), 0) from longshore.sender_standing y where y.team_id = team and y.day = today) > team_cap then
    closed := 'team_daily_cap';
    wait_seconds := extract(epoch from longshore.carrier_midnight(t) - t);
  else
    if m.slot_sender = pass_gate.phone and m.slot_at > t - late then
      place := m.slot_at;
    else
      -- A line that has stood empty for a pause begins its batch anew.
      if x.line_at < t - make_interval(secs => pause_seconds) then x.batched := 0; end if;
      filled := greatest(x.line_at, t) + make_interval(secs => pass_gate.segments / s.per_second);
      place := greatest(t, filled - make_interval(secs => greatest(s.burst, pass_gate.segments) / s.per_second));
      x.line_at := filled;
      x.batched := x.batched + 1;
      if x.batched >= batch then
        x.batched := 0;
        x.line_at := filled + make_interval(secs => pause_seconds);
      end if;
    end if;
    if place > t + early then
      closed := 'sender_pace';
      wait_seconds := extract(epoch from place - t);
    end if;
  end if;
  if closed is null and credits > 0 then
    select * into held from longshore.credit_hold(team, job, 'sms', m.tries + 1, vendor, credits);
    available := held.available;
    -- The key is this try's own: one that is known was made by somebody who sent without a mark, which nobody does.
    if held.outcome <> 'held' or held.already then closed := 'out_of_credit'; end if;
  end if;

  if closed is null then
    update longshore.sender_standing y
    set line_at = x.line_at, batched = x.batched, day = x.day, segments = x.segments + pass_gate.segments, messages = x.messages + 1,
      filtered = x.filtered, opted_out = x.opted_out, state = x.state, state_reason = x.state_reason, rests_until = x.rests_until
    where y.team_id = team and y.phone = pass_gate.phone;
    update longshore.messages y
    set state = 'dispatching', state_reason = null, sender = pass_gate.phone, segments = pass_gate.segments, vendor = pass_gate.vendor,
      attempted_at = clock_timestamp(), looks = 0, tries = y.tries + 1, slot_sender = null, slot_at = null,
      hold_job = case when credits > 0 then job end, hold_credits = case when credits > 0 then credits end, changed_at = now()
    where y.team_id = team and y.message_id = message and y.state = 'planned';
    if not found then
      raise exception 'message % was marked meanwhile', message using errcode = 'serialization_failure';
    end if;
    perform longshore.decide(team, message, judged_at, 'send', 'all_open', rules_version, inputs);
  else
    if filled is not null then
      -- The place is taken, whether it is used or not.
      update longshore.sender_standing y set line_at = x.line_at, batched = x.batched where y.team_id = team and y.phone = pass_gate.phone;
    end if;
    perform longshore.put_off(team, message, judged_at, closed, rules_version, inputs);
    if place is not null then
      update longshore.messages y set slot_sender = pass_gate.phone, slot_at = place where y.team_id = team and y.message_id = message;
    end if;
  end if;
  perform queue.hold(boot, fence, job);
end $$;

-- The same for several messages: {message, phone, segments, credits, fence, job, inputs} each. One waits for a number's line and
-- for the team's books on behalf of all.
create or replace function longshore.pass_gates(team uuid, items jsonb, team_cap bigint, batch integer, pause_seconds double precision,
  vendor text, boot uuid, judged_at timestamptz, rules_version text)
returns table (message bigint, closed text, wait_seconds double precision, available bigint)
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  one record;
begin
  perform queue.guard_team(team);
  if jsonb_array_length(items) > 1 then
    if team_cap is not null then
      perform pg_advisory_xact_lock(hashtextextended('texts of a day', hashtextextended(team::text, 0)));
    end if;
    perform from longshore.sender_standing y
    where y.team_id = team and y.phone in (select x.phone from jsonb_to_recordset(items) x(phone text)) order by y.phone for update;
  end if;
  for one in
    select * from jsonb_to_recordset(items) x(message bigint, phone text, segments integer, credits bigint, fence bigint, job bigint, inputs jsonb)
    order by x.fence, x.job
  loop
    message := one.message;
    select p.closed, p.wait_seconds, p.available into closed, wait_seconds, available
    from longshore.pass_gate(team, one.message, one.phone, one.segments, one.credits, team_cap, batch, pause_seconds, vendor, boot,
      one.fence, one.job, judged_at, rules_version, one.inputs) p;
    return next;
  end loop;
end $$;

-- Records that the vendor has a message, settles its credits at what the vendor takes, and completes the job, all in one. A report
-- that came first keeps what it wrote; what somebody took for not sent meanwhile is sent all the same: the vendor knows better.
create or replace function longshore.record_accepted(team uuid, message bigint, vendor text, vendor_id text, segments integer, price bigint,
  boot uuid, fence bigint, job bigint, output jsonb) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  charge constant bigint := price * segments;
  holder bigint;
  try smallint;
  stands text;
begin
  perform queue.guard_team(team);
  update longshore.messages m
  set state = 'accepted', state_reason = null, vendor = record_accepted.vendor, vendor_id = record_accepted.vendor_id,
    segments = record_accepted.segments, accepted_at = now(), changed_at = now()
  where m.team_id = team and m.message_id = message and m.state in ('planned', 'dispatching', 'unknown')
  returning m.hold_job, m.tries into holder, try;
  if not found then
    select m.hold_job, m.tries into holder, try from longshore.messages m where m.team_id = team and m.message_id = message;
  end if;
  if holder is not null then
    select h.state into stands from longshore.credit_holds h where h.team_id = team and h.job_id = holder and h.step = 'sms' and h.call = try;
    if stands in ('held', 'unknown') then
      perform longshore.credit_capture(team, holder, 'sms', try::integer, charge);
    elsif stands = 'released' and charge > 0 then
      perform longshore.credit_hold(team, holder, 'sms_late', try::integer, vendor, 0);
      perform longshore.credit_capture(team, holder, 'sms_late', try::integer, charge);
    end if;
  end if;
  perform queue.complete(boot, fence, job, output);
end $$;

-- Holds what decides whether a message that failed is sent once more, until the transaction ends: its campaign, its lead, its enrollment.
-- False: the team has no such message.
create or replace function longshore.hold_for_resend(team uuid, message bigint) returns boolean
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  m record;
begin
  perform queue.guard_team(team);
  select x.campaign_id, x.lead_id into m from longshore.messages x where x.team_id = team and x.message_id = message;
  if not found then return false; end if;
  perform from longshore.campaigns c where c.team_id = team and c.campaign_id = m.campaign_id for share;
  perform from longshore.leads l where l.team_id = team and l.lead_id = m.lead_id for no key update;
  perform from longshore.enrollments e where e.team_id = team and e.campaign_id = m.campaign_id and e.lead_id = m.lead_id for update;
  return true;
end $$;

-- The same for several messages: {message, vendor_id, segments, fence, job} each.
create or replace function longshore.record_all_accepted(team uuid, items jsonb, vendor text, price bigint, boot uuid, output jsonb) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  one record;
begin
  perform queue.guard_team(team);
  if jsonb_array_length(items) > 1 then
    perform from longshore.messages m
    where m.team_id = team and m.message_id in (select x.message from jsonb_to_recordset(items) x(message bigint)) order by m.message_id for update;
  end if;
  for one in
    select * from jsonb_to_recordset(items) x(message bigint, vendor_id text, segments integer, fence bigint, job bigint)
    order by x.fence, x.job
  loop
    perform longshore.record_accepted(team, one.message, vendor, one.vendor_id, one.segments, price, boot, one.fence, one.job, output);
  end loop;
end $$;

-- Writes the evidence of a decision.
create or replace function longshore.decide(team uuid, message bigint, judged_at timestamptz, verdict text, rule text, rules_version text,
  inputs jsonb) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  perform queue.guard_team(team);
  insert into longshore.message_decisions (team_id, message_id, judged_at, verdict, rule, rules_version, inputs)
  values (team, message, judged_at, verdict, rule, rules_version, inputs);
end $$;

-- Notes why a message waits, with the evidence. Only when the reason is new, so that a long pause is not written every time.
create or replace function longshore.put_off(team uuid, message bigint, judged_at timestamptz, rule text, rules_version text, inputs jsonb) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  perform queue.guard_team(team);
  update longshore.messages y set state_reason = rule, changed_at = now()
  where y.team_id = team and y.message_id = message and y.state = 'planned' and y.state_reason is distinct from rule;
  if found then
    perform longshore.decide(team, message, judged_at, 'wait', rule, rules_version, inputs);
  end if;
end $$;

-- Notes how a number fares: `filtered` and `opted_out` are counted, and lay it to rest for `seconds` where they are more than
-- `share` of at least `at_least` texts of the day; `rest` does so at once (no seconds: until the carriers' day is over); `quarantine`
-- takes it out of use until an operator lets it back.
create or replace function longshore.note_sender(team uuid, phone text, what text, reason text, seconds double precision default null,
  share double precision default null, at_least integer default null) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  x longshore.sender_standing;
  until timestamptz;
begin
  perform queue.guard_team(team);
  select y.* into x from longshore.sender_standing y where y.team_id = team and y.phone = note_sender.phone for update;
  if not found or x.state = 'quarantined' then return; end if;
  if what = 'quarantine' then
    update longshore.sender_standing y set state = 'quarantined', state_reason = reason, rests_until = null, changed_at = now()
    where y.team_id = team and y.phone = note_sender.phone;
    return;
  end if;
  if what in ('filtered', 'opted_out') then
    if x.day <> longshore.carrier_day(now()) then return; end if;
    x.filtered := x.filtered + case when what = 'filtered' then 1 else 0 end;
    x.opted_out := x.opted_out + case when what = 'opted_out' then 1 else 0 end;
    update longshore.sender_standing y set filtered = x.filtered, opted_out = x.opted_out where y.team_id = team and y.phone = note_sender.phone;
    if x.messages < at_least or (case what when 'filtered' then x.filtered else x.opted_out end) <= share * x.messages then return; end if;
  end if;
  until := coalesce(now() + make_interval(secs => seconds), longshore.carrier_midnight(now()));
  update longshore.sender_standing y set state = 'resting', state_reason = reason, rests_until = greatest(until, y.rests_until), changed_at = now()
  where y.team_id = team and y.phone = note_sender.phone;
end $$;

-- Registers a number for a team, or changes what is set for it; what is null stays as it is. `done`: added, changed, or taken: another
-- team has it. With its first number a team also looks daily through the numbers that carriers took back.
create or replace function longshore.put_sender(team uuid, phone text, pool text default null, per_second double precision default null,
  burst integer default null, daily_segments integer default null, no_cap boolean default false, out done text)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  old longshore.senders;
  new longshore.senders;
begin
  perform queue.guard_team(team);
  select s.* into old from longshore.senders s where s.team_id = team and s.phone = put_sender.phone for update;
  if found then
    update longshore.senders s
    set pool = coalesce(put_sender.pool, s.pool), per_second = coalesce(put_sender.per_second, s.per_second), burst = coalesce(put_sender.burst, s.burst),
      daily_segments = case when no_cap then null else coalesce(put_sender.daily_segments, s.daily_segments) end, retired_at = null
    where s.team_id = team and s.phone = put_sender.phone returning s.* into new;
    done := 'changed';
  else
    insert into longshore.senders as s (team_id, phone, pool, per_second, burst, daily_segments)
    values (team, put_sender.phone, coalesce(put_sender.pool, ''), coalesce(put_sender.per_second, 1), coalesce(put_sender.burst, 1), put_sender.daily_segments)
    on conflict do nothing returning s.* into new;
    if new.phone is null then
      done := 'taken';
      return;
    end if;
    insert into longshore.sender_standing (team_id, phone) values (team, put_sender.phone);
    done := 'added';
    -- Where builds know how; a database that has had none yet gets it with the next number.
    if exists (select from queue.kinds k where k.kind = 'pull_deactivations')
       and not exists (select from queue.schedules x where x.team_id = team and x.name = 'deactivations') then
      perform queue.put_schedule(team, 'deactivations', 'pull_deactivations', '{}', '41 9 * * *', 'UTC', 'run_once',
        date_trunc('day', now() at time zone 'UTC') at time zone 'UTC' + interval '1 day 9 hours 41 minutes');
    end if;
  end if;
  perform longshore.audit_deed(team, null, case done when 'added' then 'sender.add' else 'sender.change' end, 'sender', null,
    case done when 'changed' then to_jsonb(old) - array['team_id', 'phone', 'created_at'] end, to_jsonb(new) - array['team_id', 'created_at'] || jsonb_build_object('phone', '…' || right(new.phone, 4)));
end $$;

-- Takes a number out of use, for good or until `put_sender` names it again. It still hears what people write. False: no such number.
create or replace function longshore.retire_sender(team uuid, phone text) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform queue.guard_team(team);
  update longshore.senders s set retired_at = now() where s.team_id = team and s.phone = retire_sender.phone and s.retired_at is null;
  if not found then return false; end if;
  perform longshore.audit_deed(team, null, 'sender.retire', 'sender', null, null, jsonb_build_object('phone', '…' || right(phone, 4)));
  return true;
end $$;

-- Lets a number that rests or is quarantined carry texts again. False: it does neither.
create or replace function longshore.release_sender(team uuid, phone text) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  old record;
begin
  perform queue.guard_team(team);
  select y.state, y.state_reason into old from longshore.sender_standing y
  where y.team_id = team and y.phone = release_sender.phone and y.state <> 'well' for update;
  if not found then return false; end if;
  update longshore.sender_standing y
  set state = 'well', state_reason = null, rests_until = null, filtered = 0, opted_out = 0, changed_at = now()
  where y.team_id = team and y.phone = release_sender.phone;
  perform longshore.audit_deed(team, null, 'sender.release', 'sender', null, jsonb_build_object('state', old.state, 'reason', old.state_reason),
    jsonb_build_object('phone', '…' || right(phone, 4), 'state', 'well'));
  return true;
end $$;

-- A person says what became of a message whose outcome nobody knows: `sent` (the vendor has it, under this id where it is known),
-- `not_sent` (it goes through the gates again), `given_up` (it ends here; its credits stay reserved and are taken when their time is
-- over). The job that waits for it is woken. `done` is false when its outcome is known by now; `state` says what it is. No row: no such message.
create or replace function longshore.resolve_message(team uuid, message bigint, outcome text, vendor_id text, out done boolean, out state text)
returns setof record
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  m longshore.messages;
begin
  perform queue.guard_team(team);
  if outcome not in ('sent', 'not_sent', 'given_up') or outcome is null then
    raise exception 'an outcome is sent, not_sent or given_up, not %', outcome using errcode = 'LS020', detail = 'outcome';
  end if;
  select x.* into m from longshore.messages x where x.team_id = team and x.message_id = message for update;
  if not found then return; end if;
  done := m.state = 'unknown';
  state := m.state;
  if done then
    state := case outcome when 'sent' then 'accepted' when 'not_sent' then 'planned' else 'failed' end;
    update longshore.messages x
    set state = resolve_message.state, state_reason = 'resolved_' || outcome, changed_at = now(),
      vendor_id = case when outcome = 'sent' then coalesce(x.vendor_id, resolve_message.vendor_id) else x.vendor_id end,
      accepted_at = case when outcome = 'sent' then now() else x.accepted_at end,
      attempted_at = case when outcome = 'not_sent' then null else x.attempted_at end,
      ended_at = case when outcome = 'given_up' then now() end
    where x.team_id = team and x.message_id = message;
    insert into longshore.message_decisions (team_id, message_id, judged_at, verdict, rule, rules_version, inputs)
    values (team, message, now(), 'resolve', 'resolved_' || outcome, 'operator', jsonb_build_object('looks', m.looks, 'attempted_at', m.attempted_at));
    if outcome <> 'given_up' and exists (select from longshore.credit_holds h where h.team_id = team and h.job_id = m.hold_job and h.step = 'sms'
        and h.call = m.tries and h.state in ('held', 'unknown')) then
      perform longshore.credit_capture(team, m.hold_job, 'sms', m.tries::integer, case outcome when 'sent' then m.hold_credits else 0 end);
    end if;
    perform queue.unpark(team, 'unknown_outcome message ' || message || ':');
    perform longshore.audit_deed(team, null, 'message.resolve', 'message ' || message, null, jsonb_build_object('state', m.state, 'reason', m.state_reason),
      jsonb_build_object('outcome', outcome, 'state', state));
  end if;
  return next;
end $$;

-- These act with their caller's rights, and ask whose transaction it is as the others do.
grant execute on function queue.guard_team(uuid) to longshore_worker, longshore_api;
grant execute on function longshore.carrier_day(timestamptz), longshore.carrier_midnight(timestamptz),
  longshore.choose_sender(uuid, text, text, text), longshore.open_gate(uuid, bigint, timestamptz),
  longshore.hold_free(uuid, bigint[]), longshore.open_gates(uuid, bigint[], timestamptz), longshore.pass_gates(uuid, jsonb, bigint, integer, double precision, text, uuid, timestamptz, text),
  longshore.record_all_accepted(uuid, jsonb, text, bigint, uuid, jsonb),
  longshore.pass_gate(uuid, bigint, text, integer, bigint, bigint, integer, double precision, text, uuid, bigint, bigint, timestamptz, text, jsonb),
  longshore.record_accepted(uuid, bigint, text, text, integer, bigint, uuid, bigint, bigint, jsonb),
  longshore.decide(uuid, bigint, timestamptz, text, text, text, jsonb),
  longshore.put_off(uuid, bigint, timestamptz, text, text, jsonb) to longshore_worker;
grant execute on function longshore.carrier_day(timestamptz), longshore.carrier_midnight(timestamptz),
  longshore.hold_for_resend(uuid, bigint),
  longshore.note_sender(uuid, text, text, text, double precision, double precision, integer) to longshore_worker, longshore_api;
grant execute on function longshore.put_sender(uuid, text, text, double precision, integer, integer, boolean),
  longshore.retire_sender(uuid, text), longshore.release_sender(uuid, text), longshore.resolve_message(uuid, bigint, text, text)
  to longshore_operator;

reset role;
