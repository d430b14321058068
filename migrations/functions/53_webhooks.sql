-- Webhooks: what is told to a team's own servers is written in the transaction of what it tells of, as a delivery and its job.
set local role longshore_engine;

-- Whether some endpoint of the team wants to hear of this. `kind`: of a job of that kind.
create or replace function longshore.is_told(team uuid, event text, kind text default null) returns boolean
language sql stable as $$
  select exists (
    select from longshore.webhook_endpoints e
    where e.team_id = team and e.disabled_at is null and event = any (e.events) and (kind is null or e.kinds is null or kind = any (e.kinds)))
$$;
comment on function longshore.is_told(uuid, text, text) is 'Without a search_path of its own, so that it is inlined; only pinned functions call it.';

-- Notes in the queues whether any team wants to hear of the ends of jobs. One at a time, so that the last to look sees all.
create or replace function longshore.watch_queues() returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  wanted boolean;
begin
  perform pg_advisory_xact_lock(7203446);
  wanted := exists (select from longshore.webhook_endpoints e where e.of_jobs and e.disabled_at is null);
  update queue.queues q set watched = wanted where q.watched <> wanted;
end $$;

-- Writes one event down for one endpoint, and enqueues the job that delivers it. Few of them run at once for one endpoint, so
-- that one that answers slowly does not have every worker's hands.
create or replace function longshore.deliver(team uuid, endpoint bigint, event_id text, event text, data jsonb, correlation text, parent bigint)
returns bigint
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  delivery constant bigint := nextval('longshore.webhook_delivery_ids');
begin
  insert into longshore.webhook_deliveries (team_id, delivery_id, endpoint_id, event_id, event, data, job_id)
  values (team, delivery, endpoint, event_id, event, data, longshore.enqueue_delivery(team, endpoint, delivery, correlation, parent));
  return delivery;
end $$;

create or replace function longshore.enqueue_delivery(team uuid, endpoint bigint, delivery bigint, correlation text, parent bigint) returns bigint
language sql set search_path = pg_catalog, pg_temp as $$
  select queue.follow(team, jsonb_build_object('kind', 'deliver_webhook', 'payload', jsonb_build_object('delivery_id', delivery),
    'limit_key', 'webhook ' || endpoint, 'limit_to', 4), correlation, parent)
$$;

-- Tells every endpoint of the team that wants to hear of it. All of them get the same event id. Returns how many.
create or replace function longshore.tell(team uuid, event text, data jsonb, kind text default null, correlation text default null,
  parent bigint default null) returns integer
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  event_id constant text := 'evt_' || replace(gen_random_uuid()::text, '-', '');
  e bigint;
  n integer := 0;
begin
  -- A database whose builds can't deliver yet has nobody to tell.
  if not exists (select from queue.kinds k where k.kind = 'deliver_webhook') then return 0; end if;
  for e in
    select x.endpoint_id from longshore.webhook_endpoints x
    where x.team_id = team and x.disabled_at is null and tell.event = any (x.events)
      and (tell.kind is null or x.kinds is null or tell.kind = any (x.kinds))
    order by x.endpoint_id
  loop
    perform longshore.deliver(team, e, event_id, event, data, correlation, parent);
    n := n + 1;
  end loop;
  return n;
end $$;

-- A job has ended: 1 done, 2 dead, 3 cancelled, in its attempt number `attempt` (0: it never ran). `why` where it is not on
-- record with the attempts. A delivery tells of nothing, so that no webhook causes another; its own end is noted with it. A job
-- that names a delivery and is not its own (anybody may enqueue one) changes nothing of it.
create or replace function longshore.job_ended(j queue.jobs, outcome smallint, attempt smallint, why text default null) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  event constant text := case outcome when 1 then 'job.done' when 2 then 'job.dead' else 'job.cancelled' end;
  data jsonb;
begin
  if j.kind = 'deliver_webhook' then
    update longshore.webhook_deliveries d
    set state = case outcome when 1 then 'delivered' when 2 then 'failed' else 'cancelled' end, ended_at = now(), job_id = j.id,
      attempts = greatest(d.attempts, job_ended.attempt)
    where d.team_id = j.team_id and d.ended_at is null and d.job_id in (j.id, j.replay_of)
      and d.delivery_id = case when j.payload ->> 'delivery_id' ~ '^[0-9]{1,18}$' then (j.payload ->> 'delivery_id')::bigint end;
    return;
  end if;
  if not longshore.is_told(j.team_id, event, j.kind) then return; end if;
  data := jsonb_build_object('id', 'job_' || j.id, 'kind', j.kind, 'queue', (select q.name from queue.queues q where q.id = j.queue_id),
    'attempt', attempt, 'created_at', longshore.audit_moment(j.created_at), 'ended_at', longshore.audit_moment(now()),
    'correlation_id', j.correlation_id, 'parent', 'job_' || j.parent_id, 'batch_id', 'batch_' || j.batch_id);
  if outcome = 2 then
    data := data || jsonb_build_object('error', longshore.audit_words((
      select d.error from queue.dead d where d.job_id = j.id and d.team_id = j.team_id)));
  elsif outcome = 3 then
    data := data || jsonb_build_object('reason', longshore.audit_words(coalesce(why, (
      select a.error from queue.attempts a where a.job_id = j.id and a.team_id = j.team_id and a.keep = j.keep and a.result = 'cancelled'
      order by a.ended_at desc limit 1))));
  end if;
  perform longshore.tell(j.team_id, event, data, j.kind, j.correlation_id, j.id);
end $$;

-- A batch has ended. `b` as it stood before, with its counts; `next` is the job behind it.
create or replace function longshore.batch_ended(b queue.batches, next bigint) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if not longshore.is_told(b.team_id, 'batch.ended') then return; end if;
  perform longshore.tell(b.team_id, 'batch.ended', jsonb_build_object('id', 'batch_' || b.batch_id, 'jobs', b.jobs, 'done', b.done, 'dead', b.dead,
    'cancelled', b.cancelled, 'created_at', longshore.audit_moment(b.created_at), 'ended_at', longshore.audit_moment(now()),
    'correlation_id', b.correlation_id, 'then_job', 'job_' || next), null, b.correlation_id, null);
end $$;

-- A message has come into the state it is in. No phone number and no text leaves by this way: ids, and the reason without what
-- looks like a number.
create or replace function longshore.tell_message(m longshore.messages) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if not longshore.is_told(m.team_id, 'message.' || m.state) then return; end if;
  perform longshore.tell(m.team_id, 'message.' || m.state, jsonb_build_object('message_id', m.message_id, 'campaign_id', m.campaign_id,
    'lead_id', m.lead_id, 'step', m.step, 'variant', m.variant, 'state', m.state, 'reason', longshore.audit_words(m.state_reason),
    'error_code', m.error_code, 'segments', m.segments, 'at', longshore.audit_moment(now())));
end $$;

-- Somebody has written to the team: who, by the lead's id, to which message, and what it was taken for.
create or replace function longshore.tell_text(t longshore.inbox) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if not longshore.is_told(t.team_id, 'message.replied') then return; end if;
  perform longshore.tell(t.team_id, 'message.replied', (
    select jsonb_build_object('inbound_id', t.inbound_id, 'meaning', t.meaning, 'lead_id', last.lead_id, 'message_id', last.message_id,
      'campaign_id', last.campaign_id, 'at', longshore.audit_moment(t.received_at))
    from (select 1) one
    left join lateral (
      select m.lead_id, m.message_id, m.campaign_id from longshore.messages m
      where m.team_id = t.team_id and m.recipient = t.sender and m.attempted_at is not null order by m.attempted_at desc limit 1
    ) last on true));
end $$;

-- Sends an endpoint an event that says nothing, whatever it subscribes to. Null: there is no such endpoint, or it is disabled.
create or replace function longshore.test_webhook(team uuid, endpoint bigint) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform queue.guard_team(team);
  if not exists (select from longshore.webhook_endpoints e where e.team_id = team and e.endpoint_id = endpoint and e.disabled_at is null) then
    return null;
  end if;
  return longshore.deliver(team, endpoint, 'evt_' || replace(gen_random_uuid()::text, '-', ''), 'webhook.test',
    jsonb_build_object('endpoint', 'ep_' || endpoint, 'at', longshore.audit_moment(now())), null, null);
end $$;

-- Delivers once more what has ended, as the same event. Its dead letter, where it left one that is open, is the one that is
-- replayed. `refused`: missing, waiting (it has not ended), disabled (its endpoint takes nothing).
create or replace function longshore.replay_delivery(team uuid, endpoint bigint, delivery bigint, out job bigint, out refused text)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  d longshore.webhook_deliveries;
begin
  perform queue.guard_team(team);
  select * into d from longshore.webhook_deliveries x
  where x.team_id = team and x.endpoint_id = endpoint and x.delivery_id = delivery for update;
  if not found then refused := 'missing'; return; end if;
  if d.ended_at is null then refused := 'waiting'; return; end if;
  if not exists (select from longshore.webhook_endpoints e where e.team_id = team and e.endpoint_id = endpoint and e.disabled_at is null) then
    refused := 'disabled';
    return;
  end if;
  if exists (select from queue.dead x where x.job_id = d.job_id and x.team_id = team and x.replayed_at is null and x.discarded_at is null) then
    job := queue.replay_letter(team, d.job_id, coalesce(nullif(current_setting('app.actor', true), ''), session_user));
  else
    job := longshore.enqueue_delivery(team, endpoint, delivery, null, d.job_id);
  end if;
  update longshore.webhook_deliveries x set state = 'waiting', ended_at = null, job_id = job
  where x.team_id = team and x.delivery_id = delivery;
end $$;

-- Lets what waits for an endpoint come to its end now: for one that was deleted or disabled.
create or replace function longshore.hurry_deliveries(team uuid, endpoint bigint) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  n integer;
begin
  perform queue.guard_team(team);
  update queue.scheduled s set run_at = now()
  from longshore.webhook_deliveries d
  where d.team_id = team and d.endpoint_id = endpoint and d.ended_at is null and s.job_id = d.job_id and s.team_id = team and s.run_at > now();
  get diagnostics n = row_count;
  return n;
end $$;

grant execute on function longshore.test_webhook(uuid, bigint), longshore.replay_delivery(uuid, bigint, bigint),
  longshore.hurry_deliveries(uuid, bigint) to longshore_api, longshore_operator, longshore_worker;

reset role;
