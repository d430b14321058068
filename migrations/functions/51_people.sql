-- Erasing and handing over (docs/PRIVACY.md). What to look through is read from the catalogue: every table with a team's data,
-- every column that can hold words; so a new table is never forgotten. Pages of a table are the unit of work: whoever calls
-- goes through them one transaction after the other, and may be killed between any two.
set local role longshore_engine;

-- The digest of a phone number or an e-mail with the team's own key, which is made when it is first needed. Two hashes, one
-- inside the other, so that a digest says nothing of a longer text's.
create or replace function longshore.erasure_digest(team uuid, value text) returns bytea
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  own bytea;
begin
  select k.key into own from longshore.erasure_keys k where k.team_id = team;
  if not found then
    -- Each uuid has 122 random bits.
    insert into longshore.erasure_keys (team_id, key) values (team, decode(replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), 'hex'))
    on conflict do nothing;
    select k.key into own from longshore.erasure_keys k where k.team_id = team;
  end if;
  return sha256(own || sha256(own || convert_to(lower(value), 'UTF8')));
end $$;

-- Whether a number was erased for this team: it is never texted again. For the team alone: who could ask for another's would
-- learn who has had themselves erased there.
create or replace function longshore.is_erased(team uuid, phone text) returns boolean
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform queue.guard_team(team);
  return exists (
    select from longshore.erasure_keys k
    join longshore.erased_numbers n on n.team_id = k.team_id
      and n.digest = sha256(k.key || sha256(k.key || convert_to(lower(is_erased.phone), 'UTF8')))
    where k.team_id = is_erased.team);
end $$;

-- The digits of a number with room for what people write between them.
create or replace function longshore.spaced_digits(digits text) returns text
language sql immutable set search_path = pg_catalog, pg_temp as $$
  select regexp_replace(digits, '([0-9])(?=[0-9])', '\1[ ()./\\u00a0-]{0,3}', 'g')
$$;

-- A regular expression for every way in which these are written: a number with or without its country, in groups divided by
-- blanks, dots, dashes, slashes or brackets; an e-mail in any case, its @ also as an address bar writes it. For ~* and gi.
create or replace function longshore.person_pattern(phones text[], emails text[]) returns text
language sql immutable set search_path = pg_catalog, pg_temp as $$
  select string_agg(one, '|') from (
    select '(?<![0-9])' || case
        when p ~ '^\+1[0-9]{10}$' then '(?:(?:\+|00|%2b)?1[ ()./\u00a0-]{0,3})?\(?' || longshore.spaced_digits(substr(p, 3))
        else '(?:\+|00|%2b)?' || longshore.spaced_digits(substr(p, 2)) end || '(?![0-9])' as one
    from unnest(phones) p
    union all
    select '(?<![a-z0-9._+-])' || regexp_replace(split_part(e, '@', 1), '([^a-zA-Z0-9])', '\\\1', 'g') || '(?:@|%40)'
      || regexp_replace(split_part(e, '@', 2), '([^a-zA-Z0-9])', '\\\1', 'g') || '(?![a-z0-9-]|\.[a-z0-9])'
    from unnest(emails) e
  ) x
$$;
-- A value without the person: where a field names them, every text and number beside it goes too, because a name beside a
-- number is theirs; what stands in other objects stays.
create or replace function longshore.without_person(value jsonb, pattern text) returns jsonb
language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
  theirs boolean;
begin
  if value is null or value::text !~* pattern then return value; end if;
  case jsonb_typeof(value)
    when 'object' then
      select bool_or(k ~* pattern or (jsonb_typeof(v) in ('string', 'number') and v #>> '{}' ~* pattern)
        or (jsonb_typeof(v) = 'array' and exists (select from jsonb_array_elements(v) e where jsonb_typeof(e) in ('string', 'number') and e #>> '{}' ~* pattern)))
      into theirs from jsonb_each(value) x(k, v);
      return (select jsonb_object_agg(regexp_replace(k, pattern, 'erased', 'gi'), case
          when theirs and jsonb_typeof(v) = 'string' then '"erased"'
          when theirs and jsonb_typeof(v) = 'number' and v #>> '{}' ~* pattern then 'null'
          when theirs and jsonb_typeof(v) = 'array' and not exists (select from jsonb_array_elements(v) e where jsonb_typeof(e) in ('object', 'array')) then '[]'
          else longshore.without_person(v, pattern) end)
        from jsonb_each(value) x(k, v));
    when 'array' then
      return (select jsonb_agg(longshore.without_person(e, pattern) order by n) from jsonb_array_elements(value) with ordinality x(e, n));
    when 'string' then
      return '"erased"';
    else
      return 'null';
  end case;
end $$;

-- The tables that hold a team's data, partitions one by one, and their pages.
create or replace function longshore.team_tables() returns table (place text, pages bigint)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select format('%I.%I', n.nspname, c.relname), pg_relation_size(c.oid) / current_setting('block_size')::bigint
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where n.nspname in ('queue', 'longshore') and c.relkind = 'r'
    and exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'team_id' and not a.attisdropped)
  order by 1
$$;

-- Some pages of a table as a condition on `t`, with $1 for the team. A partition is reached through its root, which has the
-- privileges and the policies.
create or replace function longshore.pages_of(place text, first_page bigint, pages bigint, out root regclass, out rows text)
language sql stable set search_path = pg_catalog, pg_temp as $$
  select coalesce(pg_partition_root(p.leaf), p.leaf), format('%s t where t.ctid >= ''(%s,0)'' and t.ctid < ''(%s,0)'' and t.team_id = $1 and %s',
    coalesce(pg_partition_root(p.leaf), p.leaf), first_page, first_page + pages, coalesce(pg_get_partition_constraintdef(p.leaf), 'true'))
  from (select place::regclass as leaf) p
$$;

-- The columns of a table that can hold words, and what they are. A team's own numbers are no person's.
create or replace function longshore.word_columns(place regclass) returns table (name text, type text)
language sql stable set search_path = pg_catalog, pg_temp as $$
  select a.attname::text, format_type(a.atttypid, null)
  from pg_attribute a join pg_class c on c.oid = a.attrelid
  where a.attrelid = place and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
    and format_type(a.atttypid, null) in ('text', 'character varying', 'character', 'jsonb', 'json', 'text[]', 'character varying[]')
    and (c.relname::text, a.attname::text) not in (('senders', 'phone'), ('sender_standing', 'phone'), ('messages', 'sender'), ('campaigns', 'sender'),
      ('email_senders', 'address'), ('email_senders', 'reply_to'))
  order by a.attnum
$$;

-- A condition that is true of rows whose words speak of $2, and the columns joined by what no pattern crosses.
create or replace function longshore.speaks_of(place regclass) returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
  select coalesce('concat_ws(e''\x01'', ' || string_agg(format('t.%I::text', c.name), ', ') || ') ~* $2', 'false') from longshore.word_columns(place) c
$$;

-- Refuses to act for a request that is not one, has ended, or is not this transaction's.
create or replace function longshore.open_request(team uuid, request bigint) returns longshore.people_requests
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  r longshore.people_requests;
begin
  perform queue.guard_team(team);
  select * into r from longshore.people_requests x where x.team_id = team and x.request_id = request and x.ended_at is null;
  if not found then
    raise exception 'request % is not open', request using errcode = 'LS041', detail = 'request_id';
  end if;
  return r;
end $$;

-- Adds to what a request's receipt will say of a table.
create or replace function longshore.count_for(team uuid, request bigint, place text, what text, n bigint) returns void
language sql set search_path = pg_catalog, pg_temp as $$
  update longshore.people_requests r
  set counts = jsonb_set(r.counts, array[p.place], coalesce(r.counts -> p.place, '{}') || jsonb_build_object(what, coalesce((r.counts #>> array[p.place, what])::bigint, 0) + n))
  from (select regexp_replace(place, '_[0-9]+d?(_[0-9]+)?$', '') as place) p
  where r.team_id = team and r.request_id = request and n > 0
$$;

-- Asks for an erasure or an export of one person (by E.164 number, by e-mail, or both), or of a whole team, and enqueues the job.
-- The same wish that is still under way is not asked for twice. The one who asks and why are in the audit log, whom it is
-- about is not.
create or replace function longshore.ask_for_people(team uuid, deed text, phone text, email text, about_team uuid, by text, reason text default null,
  out request_id bigint, out job_id bigint, out known boolean)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  whose constant uuid := case when about_team is not null and deed = 'erase' then '00000000-0000-0000-0000-000000000001' else team end;
  subject constant bytea[] := case when about_team is null
    then array_remove(array[longshore.erasure_digest(team, phone), longshore.erasure_digest(team, email)], null) else '{}' end;
begin
  perform queue.guard_team(whose);
  if about_team is null and num_nonnulls(phone, email) = 0 then
    raise exception 'a person is named by a phone number or an e-mail' using errcode = 'LS042', detail = 'phone';
  end if;
  if deed = 'export' and about_team <> team then
    raise exception 'a team is exported by itself' using errcode = 'LS007', detail = 'team_id', hint = 'Ask in the name of the team that is wanted.';
  end if;
  if about_team = '00000000-0000-0000-0000-000000000001' then
    raise exception 'the house itself is not erased or exported' using errcode = 'LS042', detail = 'team_id';
  end if;
  -- One after the other, so that two who ask at once ask once.
  perform pg_advisory_xact_lock(hashtextextended('people:' || coalesce(about_team, team)::text, 0));
  select r.request_id, r.job_id, true into request_id, job_id, known from longshore.people_requests r
  where r.team_id = whose and r.ended_at is null and r.deed = ask_for_people.deed and r.about_team is not distinct from ask_for_people.about_team
    and r.digests = subject limit 1;
  if found then return; end if;
  known := false;
  if about_team is not null and deed = 'erase' then
    if exists (select from queue.leases l where l.team_id = about_team)
       and not exists (select from queue.pauses p where p.team_id = about_team and p.queue_id = 0 and p.kind = '') then
      raise exception 'jobs of this team run' using errcode = 'LS043', hint = 'Pause the team first: longshore queues pause --team TEAM.';
    end if;
    insert into queue.pauses (team_id, queue_id, kind, paused_by, reason) values (about_team, 0, '', by, 'the team is being erased') on conflict do nothing;
  end if;
  insert into longshore.people_requests as r (team_id, deed, about_team, phones, emails, digests, requested_by)
  values (whose, deed, about_team, array_remove(array[phone], null), array_remove(array[lower(email)], null), subject, by)
  returning r.request_id into request_id;
  select e.job_id into job_id from queue.enqueue(whose, deed || case when about_team is null then '_person' else '_team' end,
    jsonb_build_object('request_id', request_id)) e;
  update longshore.people_requests r set job_id = ask_for_people.job_id where r.team_id = whose and r.request_id = ask_for_people.request_id;
  perform longshore.audit_deed(whose, by, case when about_team is null then 'people.' else 'team.' end || deed,
    case when about_team is null then 'request ' || request_id else 'team ' || about_team end, reason, null,
    jsonb_build_object('request', request_id, 'job', job_id));
end $$;

-- Finds a request's person: their leads, and from those what else names them, unless another lead of the team has it too.
create or replace function longshore.find_person(team uuid, request bigint, out phones text[], out emails text[])
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  r longshore.people_requests := longshore.open_request(team, request);
begin
  select coalesce(array_agg(l.lead_id), '{}') into r.leads from longshore.leads l
  where l.team_id = team and (l.phone = any (r.phones) or lower(l.email) = any (r.emails) or l.lead_id = any (r.leads));
  select array(select unnest(r.phones) union select l.phone from longshore.leads l where l.team_id = team and l.lead_id = any (r.leads) and l.phone is not null),
    array(select unnest(r.emails) union select lower(l.email) from longshore.leads l where l.team_id = team and l.lead_id = any (r.leads) and l.email is not null
      and not exists (select from longshore.leads o where o.team_id = team and lower(o.email) = lower(l.email) and o.lead_id <> all (r.leads)))
  into phones, emails;
  update longshore.people_requests x
  set started_at = coalesce(x.started_at, now()), phones = find_person.phones, emails = find_person.emails, leads = r.leads
  where x.team_id = team and x.request_id = request;
end $$;

drop function if exists longshore.erase_own(uuid, bigint);
-- Erases what is the person's own, in one transaction: the lead, what was texted and received, consents, suppressions, what
-- vendors know. `waits` names what is under way and must end first; then nothing was done. `erased`: rows that were not erased
-- before; what comes in while the rest is looked through (a file, an answer, a STOP) is found when this is asked again.
create or replace function longshore.erase_own(team uuid, request bigint, out waits text, out erased bigint)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  r longshore.people_requests := longshore.open_request(team, request);
  n bigint;
  theirs bigint[];
begin
  erased := 0;
  perform from longshore.leads l where l.team_id = team and l.lead_id = any (r.leads) order by l.lead_id for update;
  update longshore.messages m set state = 'suppressed', state_reason = 'erased', ended_at = now(), changed_at = now()
  where m.team_id = team and m.lead_id = any (r.leads) and m.state = 'planned';
  if exists (select from longshore.messages m where m.team_id = team and (m.lead_id = any (r.leads) or m.recipient = any (r.phones))
      and m.state in ('planned', 'dispatching', 'unknown')) then
    waits := 'a message to them whose outcome is not known yet';
    return;
  end if;
  -- A load proves the digest of what it read, so a file is not blanked under it. One whose job was cancelled, is dead or parked
  -- will not be read by itself: whoever asks to be forgotten does not wait for it.
  if exists (select from longshore.files f where f.team_id = team and f.state in ('stored', 'loading')) and exists (
      select from queue.leases l where l.team_id = team and l.kind = 'ingest_file'
      union all select from queue.ready x where x.team_id = team and x.kind = 'ingest_file'
      union all select from queue.blocked b where b.team_id = team and b.kind = 'ingest_file'
      union all select from queue.suspects u where u.team_id = team and u.kind = 'ingest_file'
      union all select from queue.scheduled s where s.team_id = team and s.kind = 'ingest_file' and s.run_at < 'infinity') then
    waits := 'a file that is being loaded';
    return;
  end if;
  -- Its answer would be written down behind us. One that nobody has settled for so long has no worker any more.
  if exists (select from longshore.vendor_intents i where i.team_id = team and i.lead_id = any (r.leads) and i.started_at > now() - interval '15 minutes'
      and not exists (select from longshore.vendor_calls c where c.team_id = i.team_id and c.job_id = i.job_id and c.step = i.step and c.call = i.call)) then
    waits := 'a question about them that a vendor has not answered yet';
    return;
  end if;
  insert into longshore.erased_numbers (team_id, digest) select team, longshore.erasure_digest(team, p) from unnest(r.phones || r.emails) p on conflict do nothing;
  get diagnostics n = row_count;
  perform longshore.count_for(team, request, 'longshore.erased_numbers', 'kept as digests', n);
  select coalesce(array_agg(m.message_id), '{}') into theirs from longshore.messages m
  where m.team_id = team and (m.lead_id = any (r.leads) or m.recipient = any (r.phones));
  update longshore.messages m set recipient = 'erased', body = 'erased', subject = case when m.subject is not null then 'erased' end
  where m.team_id = team and m.message_id = any (theirs)
    and (m.recipient, m.body, coalesce(m.subject, 'erased')) <> ('erased', 'erased', 'erased');
  get diagnostics n = row_count;
  erased := erased + n;
  perform longshore.count_for(team, request, 'longshore.messages', 'anonymised', n);
  update longshore.message_texts x set body = 'erased', subject = case when x.subject is not null then 'erased' end
  where x.team_id = team and x.message_id = any (theirs) and (x.body, coalesce(x.subject, 'erased')) <> ('erased', 'erased');
  get diagnostics n = row_count;
  erased := erased + n;
  perform longshore.count_for(team, request, 'longshore.message_texts', 'anonymised', n);
  update longshore.message_events e set raw = '{"erased": true}'
  where e.team_id = team and e.message_id = any (theirs) and e.raw <> '{"erased": true}';
  get diagnostics n = row_count;
  erased := erased + n;
  perform longshore.count_for(team, request, 'longshore.message_events', 'anonymised', n);
  delete from longshore.inbox i where i.team_id = team and i.sender = any (r.phones);
  get diagnostics n = row_count;
  erased := erased + n;
  perform longshore.count_for(team, request, 'longshore.inbox', 'deleted', n);
  -- Consent may have to be proven to whoever shows the number: its digest does.
  update longshore.consents c set phone = 'erased:' || encode(longshore.erasure_digest(team, c.phone), 'hex'), evidence = null
  where c.team_id = team and c.phone = any (r.phones);
  get diagnostics n = row_count;
  erased := erased + n;
  perform longshore.count_for(team, request, 'longshore.consents', 'kept as digests', n);
  delete from longshore.suppressions s where s.team_id = team and s.phone = any (r.phones);
  get diagnostics n = row_count;
  erased := erased + n;
  perform longshore.count_for(team, request, 'longshore.suppressions', 'deleted', n);
  update longshore.email_consents c set email = 'erased:' || encode(longshore.erasure_digest(team, c.email), 'hex'), evidence = null
  where c.team_id = team and c.email = any (r.emails);
  get diagnostics n = row_count;
  erased := erased + n;
  perform longshore.count_for(team, request, 'longshore.email_consents', 'kept as digests', n);
  delete from longshore.email_suppressions s where s.team_id = team and s.email = any (r.emails);
  get diagnostics n = row_count;
  erased := erased + n;
  perform longshore.count_for(team, request, 'longshore.email_suppressions', 'deleted', n);
  delete from longshore.enrichments e where e.team_id = team and e.lead_id = any (r.leads);
  get diagnostics n = row_count;
  erased := erased + n;
  perform longshore.count_for(team, request, 'longshore.enrichments', 'deleted', n);
  update longshore.enrollments e set state = 'stopped', next_step = null, next_due_at = null
  where e.team_id = team and e.lead_id = any (r.leads) and e.state = 'running';
  get diagnostics n = row_count;
  perform longshore.count_for(team, request, 'longshore.enrollments', 'stopped', n);
  update longshore.leads l set phone = null, email = null, first_name = null, last_name = null, company = null, domain = null, city = null,
    state = null, zip = null, tags = '{}', engagement = 'low', file_id = null, file_row = null, stopped_at = coalesce(l.stopped_at, now())
  where l.team_id = team and l.lead_id = any (r.leads)
    and (l.stopped_at is null or num_nonnulls(l.phone, l.email, l.first_name, l.last_name, l.company, l.domain, l.city, l.state, l.zip, l.file_id) > 0
      or l.tags <> '{}');
  get diagnostics n = row_count;
  erased := erased + n;
  perform longshore.count_for(team, request, 'longshore.leads', 'anonymised', n);
end $$;

-- The rows of some pages that speak of a request's person, as JSON; with no pattern, all of the team's.
create or replace function longshore.rows_of(team uuid, request bigint, place text, first_page bigint, pages bigint) returns setof jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  r longshore.people_requests := longshore.open_request(team, request);
  here record;
  its text := 'true';
begin
  select * into here from longshore.pages_of(place, first_page, pages);
  if place in ('longshore.people_requests', 'longshore.erasure_keys', 'longshore.erased_numbers', 'longshore.data_keys') then return; end if;
  if r.about_team is null then
    its := longshore.speaks_of(here.root);
    if exists (select from pg_attribute a where a.attrelid = here.root and a.attname = 'lead_id') then its := its || ' or t.lead_id = any ($3)'; end if;
    if exists (select from pg_attribute a where a.attrelid = here.root and a.attname = 'message_id') and place <> 'longshore.messages' then
      its := its || ' or t.message_id in (select m.message_id from longshore.messages m where m.team_id = $1 and (m.lead_id = any ($3) or m.recipient = any ($4)))';
    end if;
    -- A payload, or what a webhook told, that speaks of them by number alone.
    select its || coalesce(string_agg(format(' or t.%1$I ->> ''lead_id'' = any ($3::text[]) or t.%1$I ->> ''message_id'' in (select m.message_id::text '
      'from longshore.messages m where m.team_id = $1 and (m.lead_id = any ($3) or m.recipient = any ($4)))', c.name), ''), '') into its
    from longshore.word_columns(here.root) c where c.type = 'jsonb';
  end if;
  return query execute format('select to_jsonb(t) - array[''digest'', ''create_digest'', ''key_digest'', ''body_digest'', ''request_hash'', ''secret''] from %s and (%s)', here.rows, its)
  using team, coalesce(longshore.person_pattern(r.phones, r.emails), ''), r.leads, r.phones;
end $$;

-- The rows of a table that are a person's own ($3: phones, $4: e-mails), as a condition: erase_own's to erase, because a
-- number in them is no word among others.
create or replace function longshore.own_rows(place text) returns text
language sql immutable set search_path = pg_catalog, pg_temp as $$
  select case
    when place = 'longshore.leads' then '(t.phone = any ($3) or lower(t.email) = any ($4)) is true'
    when place in ('longshore.consents', 'longshore.suppressions') then 't.phone = any ($3)'
    when place in ('longshore.email_consents', 'longshore.email_suppressions') then 't.email = any ($4)'
    when place = 'longshore.inbox' then 't.sender = any ($3)'
    when place = 'longshore.messages' then 't.recipient = any ($3)'
    else 'false' end
$$;

-- Takes a request's person out of the words of some pages. Unfinished jobs that are about them are cancelled, idempotency keys
-- of theirs forgotten. What moves with a job while it waits or runs (`limit_key` in ready, leases …) goes with the job.
-- Returns how many rows spoke of them, and how many still do.
create or replace function longshore.erase_words(team uuid, request bigint, place text, first_page bigint, pages bigint, out matched bigint, out "left" bigint)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  r longshore.people_requests := longshore.open_request(team, request);
  here record;
  pattern constant text := longshore.person_pattern(r.phones, r.emails);
  theirs text;
  moving constant boolean := place in ('queue.ready', 'queue.blocked', 'queue.suspects', 'queue.leases');
  whole constant boolean := place in ('longshore.rejects', 'longshore.messages', 'longshore.inbox');
  changes text;
  one record;
begin
  matched := 0;
  "left" := 0;
  if pattern is null or place in ('longshore.people_requests', 'longshore.audit_log', 'longshore.ledger_entries', 'longshore.vendor_intents', 'longshore.vendor_calls')
  then return; end if;
  select * into here from longshore.pages_of(place, first_page, pages);
  theirs := here.rows || ' and ' || longshore.speaks_of(here.root);
  execute format('select count(*), count(*) filter (where %s) from %s', longshore.own_rows(place), theirs) into matched, "left"
  using team, pattern, r.phones, r.emails;
  if matched = 0 then return; end if;
  theirs := format('%s and not (%s)', theirs, longshore.own_rows(place));
  if moving then
    "left" := matched;
    return;
  end if;
  if place ~ '^queue\.jobs_' then
    for one in execute format('select t.id, t.kind, t.key_digest from %s order by t.id', theirs) using team, pattern, r.phones, r.emails loop
      perform queue.cancel(team, one.id, 'erasure request ' || request);
      delete from queue.keys k where k.team_id = team and k.kind = one.kind and k.digest = one.key_digest;
    end loop;
  end if;
  select string_agg(format(case
      when c.type = 'jsonb' then '%1$I = longshore.without_person(t.%1$I, $2)'
      when c.type = 'json' then '%1$I = longshore.without_person(t.%1$I::jsonb, $2)::json'
      when c.type like '%%[]' then '%1$I = case when t.%1$I is not null then array(select regexp_replace(w, $2, $5, ''gi'') from unnest(t.%1$I) with ordinality x(w, n) order by n) end'
      when whole and c.name in ('raw', 'body') then '%1$I = case when t.%1$I ~* $2 then $5 else t.%1$I end'
      else '%1$I = regexp_replace(t.%1$I, $2, $5, ''gi'')' end, c.name), ', ')
    || case when place ~ '^queue\.jobs_' then ', key_digest = null' else '' end into changes
  from longshore.word_columns(here.root) c;
  begin
    execute replace(format('update %s', theirs), ' t where ', format(' t set %s where ', changes)) using team, pattern, r.phones, r.emails, 'erased'::text;
  exception when unique_violation or check_violation then
    -- A name that is unique, and two rows that had the number in it.
    for one in execute format('select t.ctid from %s', theirs) using team, pattern, r.phones, r.emails loop
      execute replace(format('update %s and t.ctid = $6', theirs), ' t where ', format(' t set %s where ', changes))
      using team, pattern, r.phones, r.emails, 'erased_' || substr(md5(gen_random_uuid()::text), 1, 8), one.ctid;
    end loop;
  end;
  perform longshore.count_for(team, request, place, 'anonymised', matched - "left");
end $$;

-- Deletes a team's rows from some pages of a table; -1 where others still need them. Kept: the books, the intents and ends of
-- paid calls, the audit log, the pause. A lead that a paid call was about stays as a number without a person.
create or replace function longshore.erase_rows(request bigint, place text, first_page bigint, pages bigint) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  house constant uuid := '00000000-0000-0000-0000-000000000001';
  r longshore.people_requests := longshore.open_request(house, request);
  n bigint;
begin
  if place = 'longshore.teams' or longshore.is_kept(place) then return 0; end if;
  if place = 'longshore.leads' then
    update longshore.leads l set phone = null, email = null, first_name = null, last_name = null, company = null, domain = null, city = null,
      state = null, zip = null, tags = '{}', engagement = 'low', file_id = null, file_row = null, stopped_at = coalesce(l.stopped_at, now())
    where l.team_id = r.about_team and l.ctid >= format('(%s,0)', first_page)::tid and l.ctid < format('(%s,0)', first_page + pages)::tid
      and exists (select from longshore.vendor_intents i where i.team_id = l.team_id and i.lead_id = l.lead_id)
      and (l.stopped_at is null or num_nonnulls(l.phone, l.email, l.first_name, l.last_name, l.company, l.domain, l.city, l.state, l.zip, l.file_id) > 0
        or l.tags <> '{}');
    get diagnostics n = row_count;
    perform longshore.count_for(house, request, place, 'anonymised', n);
  end if;
  begin
    execute format('delete from %s %s', (longshore.pages_of(place, first_page, pages)).rows, case place
      when 'longshore.leads' then 'and not exists (select from longshore.vendor_intents i where i.team_id = t.team_id and i.lead_id = t.lead_id)'
      when 'queue.pauses' then 'and not (t.queue_id = 0 and t.kind = '''')' else '' end) using r.about_team;
    get diagnostics n = row_count;
  exception when foreign_key_violation then
    return -1;
  end;
  perform longshore.count_for(house, request, place, 'deleted', n);
  return n;
end $$;

-- What is kept of a team that is erased.
create or replace function longshore.is_kept(place text) returns boolean
language sql immutable set search_path = pg_catalog, pg_temp as $$
  select place in ('longshore.audit_log', 'longshore.audit_heads', 'longshore.ledger_entries', 'longshore.credit_accounts', 'longshore.credit_holds',
    'longshore.vendor_intents', 'longshore.vendor_calls')
$$;

-- Whether nothing of the team to be erased runs.
create or replace function longshore.stands_still(request bigint) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  r longshore.people_requests := longshore.open_request('00000000-0000-0000-0000-000000000001', request);
begin
  insert into queue.pauses (team_id, queue_id, kind, paused_by, reason)
  values (r.about_team, 0, '', r.requested_by, 'the team was erased')
  on conflict (team_id, queue_id, kind) do update set paused_by = excluded.paused_by, reason = excluded.reason;
  return not exists (select from queue.leases l where l.team_id = r.about_team);
end $$;

-- Ends a request: forgets whom it was about, and writes its receipt. A team that was erased loses its name with it.
create or replace function longshore.end_request(team uuid, request bigint, object text, more jsonb) returns jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  r longshore.people_requests := longshore.open_request(team, request);
  kept jsonb := '{}';
  one record;
  n bigint;
  told jsonb;
begin
  if r.deed = 'erase' then
    for one in select * from (values
        ('longshore.ledger_entries', 'money: entries name jobs, no person'), ('longshore.credit_accounts', 'money'), ('longshore.credit_holds', 'money'),
        ('longshore.vendor_intents', 'money: what was paid for, by number of the lead'), ('longshore.vendor_calls', 'money'),
        ('longshore.audit_log', 'who did what; holds no person''s data')) k(place, why)
    loop
      n := null;
      if r.about_team is not null then
        execute format('select count(*) from %s t where t.team_id = $1', one.place) into n using r.about_team;
      end if;
      kept := kept || jsonb_build_object(one.place, jsonb_strip_nulls(jsonb_build_object('rows', n, 'why', one.why)));
    end loop;
    if r.about_team is not null then
      update longshore.teams x set name = 'erased ' || x.team_id where x.team_id = r.about_team;
      perform longshore.audit(team, 'request ' || request, 'team.erased', 'team ' || r.about_team, null, null,
        jsonb_build_object('request', request, 'tables', r.counts));
    else
      kept := kept || jsonb_build_object('longshore.erased_numbers', jsonb_build_object('why', 'the number as a keyed digest, so that it is never texted again'),
        'longshore.consents', jsonb_build_object('why', 'proof of consent, the number as a keyed digest'));
    end if;
  end if;
  told := jsonb_strip_nulls(jsonb_build_object('request', request, 'deed', r.deed, 'about', case when r.about_team is null then 'person' else 'team ' || r.about_team end,
    'requested_by', r.requested_by, 'requested_at', longshore.audit_moment(r.requested_at), 'ended_at', longshore.audit_moment(now()),
    'tables', r.counts, 'kept', nullif(kept, '{}'), 'object', object)) || coalesce(more, '{}');
  update longshore.people_requests x set ended_at = now(), phones = '{}', emails = '{}', leads = '{}', object_key = object, receipt = told
  where x.team_id = team and x.request_id = request;
  return told;
end $$;

-- What earlier exports wrote about a request's person, or about the whole team: it has to go with them. `gone`: it went.
create or replace function longshore.exports_of(team uuid, request bigint, gone boolean default false) returns setof text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  r longshore.people_requests := longshore.open_request(team, request);
  theirs bytea[] := r.digests || array(select longshore.erasure_digest(team, v) from unnest(r.phones || r.emails) v);
begin
  return query select x.object_key from longshore.people_requests x
  where x.team_id = team and x.object_key is not null and (x.digests && theirs or x.about_team = team);
  if gone then
    update longshore.people_requests x set object_key = null, receipt = x.receipt - 'object' || '{"object": "taken away by an erasure"}'
    where x.team_id = team and x.object_key is not null and (x.digests && theirs or x.about_team = team);
  end if;
end $$;

-- Puts the object that holds a file without some of its records in the place of the one that had them. Same length, so that
-- every position in it stays right. The file keeps the digest of what was uploaded: the same bytes are still the same file.
create or replace function longshore.replace_object(team uuid, request bigint, file bigint, records bigint, new_key text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform longshore.open_request(team, request);
  update longshore.files f set object_key = new_key where f.team_id = team and f.file_id = file;
  perform longshore.count_for(team, request, 'objects', 'records blanked', records);
end $$;

grant execute on function longshore.is_erased(uuid, text) to longshore_worker, longshore_api, longshore_operator;
grant execute on function longshore.ask_for_people(uuid, text, text, text, uuid, text, text) to longshore_api, longshore_operator;
grant execute on function longshore.team_tables(), longshore.find_person(uuid, bigint), longshore.erase_own(uuid, bigint),
  longshore.rows_of(uuid, bigint, text, bigint, bigint), longshore.erase_words(uuid, bigint, text, bigint, bigint),
  longshore.erase_rows(bigint, text, bigint, bigint), longshore.stands_still(bigint), longshore.end_request(uuid, bigint, text, jsonb),
  longshore.exports_of(uuid, bigint, boolean), longshore.replace_object(uuid, bigint, bigint, bigint, text), longshore.person_pattern(text[], text[]), longshore.spaced_digits(text)
  to longshore_worker;

reset role;
