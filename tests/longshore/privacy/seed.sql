-- Puts a person into every table that holds a team's data, into every column that can hold words: the catalogue says which.
-- A column whose words are chosen by a constraint or by code is in seed.fixed, with what it holds instead.
create schema seed;
create table seed.fixed (place text, name text, literal text, primary key (place, name));
insert into seed.fixed values
  -- Names of code, the same in every table.
  ('*', 'kind', '''carry_note'''), ('*', 'then_kind', '''carry_note'''),
  ('*', 'keep', '30'), ('*', 'queue_id', '1'),
  -- Numbers and addresses as they are stored.
  ('longshore.leads', 'phone', '$phone'), ('longshore.leads', 'email', '$email'), ('longshore.leads', 'state', '''MA'''),
  ('longshore.messages', 'recipient', '$phone'), ('longshore.inbox', 'sender', '$phone'),
  ('longshore.suppressions', 'phone', '$phone'), ('longshore.consents', 'phone', '$phone'),
  -- The team's own numbers.
  ('longshore.messages', 'sender', '''+12025550100'''), ('longshore.campaigns', 'sender', '''+12025550100'''), ('longshore.senders', 'phone', '''+1202555'' || lpad($n::text, 4, ''0'')'),
  ('longshore.sender_standing', 'phone', '''+1202555'' || lpad($n::text, 4, ''0'')'), ('longshore.messages', 'slot_sender', 'null'),
  -- Words of a list.
  ('longshore.sender_standing', 'state', '''well'''), ('longshore.campaigns', 'purpose', '''marketing'''),
  ('longshore.leads', 'engagement', '''high'''), ('longshore.campaigns', 'state', '''paused'''), ('longshore.campaigns', 'engagement', '''{high}'''),
  ('longshore.campaign_steps', 'step', '1'), ('longshore.enrollments', 'state', '''running'''), ('longshore.enrollments', 'next_step', '1'),
  ('longshore.enrollments', 'next_due_at', 'now()'),
  ('longshore.messages', 'step', '1'), ('longshore.messages', 'variant', '''a'''), ('longshore.messages', 'state', '''delivered'''),
  ('longshore.messages', 'attempted_at', 'now()'), ('longshore.messages', 'accepted_at', 'now()'), ('longshore.messages', 'ended_at', 'now()'),
  ('longshore.messages', 'channel', '''sms'''), ('longshore.messages', 'subject', 'null'), ('longshore.messages', 'approval', '''none'''),
  ('longshore.step_contents', 'step', '1'), ('longshore.step_contents', 'channel', '''sms'''), ('longshore.step_contents', 'subject', 'null'),
  ('longshore.message_texts', 'source', '''template'''), ('longshore.approval_decisions', 'verdict', '''approve'''),
  ('longshore.email_senders', 'address', '''hello@acme.example.net'''), ('longshore.email_senders', 'reply_to', 'null'), ('longshore.email_senders', 'name', '''Acme'''),
  ('longshore.email_suppressions', 'email', 'lower($email)'), ('longshore.email_suppressions', 'reason', '''OPT_OUT'''),
  ('longshore.email_consents', 'email', 'lower($email)'), ('longshore.email_consents', 'level', '''express'''), ('longshore.email_consents', 'method', '''paper'''),
  ('longshore.campaigns', 'create_digest', 'sha256(''x'')'), ('longshore.campaigns', 'state_reason', '''filtered'''), ('longshore.enrollment_runs', 'purpose', '''enroll'''),
  ('longshore.campaign_variants', 'step', '1'), ('longshore.campaign_variants', 'variant', '''b'''), ('longshore.campaign_variants', 'weight', '1'),
  -- Figures: the names of counters.
  ('longshore.campaign_counts', 'variant', '''a'''), ('longshore.campaign_counts', 'measure', '''planned'''),
  ('longshore.campaign_moves', 'variant', '''a'''), ('longshore.campaign_moves', 'measure', '''planned'''),
  ('longshore.audience', 'engagement', '''high'''), ('longshore.audience', 'obstacle', ''''''), ('longshore.audience', 'first_leads', '''{1}'''),
  ('longshore.message_decisions', 'verdict', '''send'''), ('longshore.suppressions', 'reason', '''OPT_OUT'''),
  ('longshore.consents', 'level', '''express'''), ('longshore.inbox', 'meaning', '''other'''),
  ('longshore.files', 'dataset', '''leads'''), ('longshore.files', 'state', '''failed'''), ('longshore.files', 'object_key', '$object'),
  ('longshore.files', 'bytes', '$bytes'), ('longshore.files', 'sha256', 'sha256(($object)::bytea)'),
  ('longshore.api_keys', 'key_id', '''abcdefghij'' || lpad($n::text, 2, ''0'')'), ('longshore.api_keys', 'scopes', '''{read}'''),
  ('longshore.api_keys', 'expires_at', 'now() + interval ''1 hour'''),
  ('longshore.vendor_intents', 'step', '''person'''), ('longshore.vendor_intents', 'vendor', '''apollo'''),
  ('longshore.vendor_calls', 'step', '''person'''), ('longshore.vendor_calls', 'outcome', '''found'''), ('longshore.vendor_calls', 'credits', '1'),
  ('longshore.credit_accounts', 'account', '''available'''), ('longshore.credit_holds', 'step', '''person'''), ('longshore.credit_holds', 'vendor', '''apollo'''),
  ('longshore.credit_holds', 'state', '''held'''),
  ('longshore.ledger_entries', 'account', '''available'''), ('longshore.ledger_entries', 'kind', '''hold'''), ('longshore.ledger_entries', 'step', '''person'''),
  ('longshore.ledger_entries', 'job_id', '$n'), ('longshore.ledger_entries', 'call', '1'),
  -- Written by longshore.credit_post, which leaves numbers and addresses out.
  ('longshore.ledger_entries', 'reason', 'longshore.audit_words($words)'), ('longshore.ledger_entries', 'posted_by', '''longshore_worker'''),
  ('longshore.webhook_endpoints', 'url', '''https://example.com/hooks'''), ('longshore.webhook_endpoints', 'events', '''{job.done}'''),
  ('longshore.webhook_endpoints', 'kinds', 'null'), ('longshore.webhook_endpoints', 'disabled_reason', 'null'),
  ('longshore.webhook_deliveries', 'event_id', '''evt_'' || md5($n::text)'), ('longshore.webhook_deliveries', 'event', '''job.done'''),
  ('longshore.webhook_deliveries', 'state', '''delivered'''), ('longshore.webhook_deliveries', 'ended_at', 'now()'),
  ('longshore.webhook_secrets', 'sealed', 'sha256($n::text::bytea) || sha256($n::text::bytea)'),
  ('longshore.teams', 'name', '''team '' || $n'),
  -- What is set is the team's own: a name of the catalogue, by whom.
  ('longshore.team_settings', 'name', '''branding.sender_name'''), ('longshore.team_settings', 'shown', 'null'), ('longshore.team_settings', 'value', 'to_jsonb($words::text)'),
  ('longshore.flag_overrides', 'flag', '''a_flag'''),
  ('queue.lane_depths', 'state', '''ready'''), ('queue.scheduled', 'reason', '''parked'''), ('queue.scheduled', 'run_at', '''infinity'''), ('queue.attempts', 'result', '''retry'''), ('queue.outcomes', 'outcome', '3'),
  ('queue.schedules', 'name', '''call.'' || $n || ''.617-555-01'' || right($phone, 2)'), ('queue.schedules', 'missed', '''skip'''),
  ('queue.schedules', 'next_due_at', '''infinity'''),
  ('queue.plans', 'approved_by', '''bob'''), ('queue.plan_items', 'result', '''refused'''), ('queue.plan_items', 'at', 'now()'),
  -- What moves with a job while it waits or runs: it goes with the job, as another test shows.
  ('queue.ready', 'limit_key', 'null'), ('queue.leases', 'limit_key', 'null'), ('queue.suspects', 'limit_key', 'null'), ('queue.blocked', 'limit_key', '''k'''),
  ('queue.ready', 'queue_id', '901'), ('queue.leases', 'queue_id', '901'), ('queue.suspects', 'queue_id', '901'), ('queue.blocked', 'queue_id', '901'),
  ('queue.ready', 'jobs', 'array[$n + 50]'), ('queue.leases', 'open', 'array[$n + 50]'), ('queue.blocked', 'jobs', 'array[$n + 50]');

-- Tables that hold no words of anybody, or are what this is about.
create table seed.apart (place text primary key, why text not null);
insert into seed.apart values
  ('longshore.audit_log', 'written by longshore.audit, which leaves numbers and addresses out'), ('longshore.audit_heads', 'hashes'),
  ('longshore.people_requests', 'the requests themselves'), ('longshore.erasure_keys', 'keys'), ('longshore.erased_numbers', 'digests'),
  ('longshore.data_keys', 'keys');

create function seed.filled(literal text, team uuid, n integer, phone text, email text, words text, object text, bytes bigint) returns text
language sql as $$
  select replace(replace(replace(replace(replace(replace(replace(literal, '$team', quote_literal(team) || '::uuid'), '$phone', quote_literal(phone)),
    '$email', quote_literal(email)), '$words', quote_literal(words)), '$object', quote_literal(object)), '$bytes', bytes::text), '$n', n::text)
$$;

create procedure seed.person(team uuid, n integer, phone text, email text, words text, object text, bytes bigint)
language plpgsql as $$
declare
  one record;
  line record;
begin
  -- What refers to what is not asked here.
  set local session_replication_role = replica;
  for one in
    select c.oid, c.oid::regclass::text as place from pg_class c join pg_namespace s on s.oid = c.relnamespace
    where s.nspname in ('queue', 'longshore') and c.relkind in ('r', 'p') and not c.relispartition
      and exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'team_id')
      and c.oid::regclass::text not in (select place from seed.apart)
  loop
    select string_agg(quote_ident(x.name), ', ') as columns, string_agg(x.value, ', ') as "values" into line from (
      select a.attname as name, coalesce(seed.filled(f.literal, team, n, phone, email, words, object, bytes), case
        when a.attname = 'team_id' then quote_literal(team)
        when t.type in ('text', 'character varying', 'character') then quote_literal(words)
        when t.type in ('jsonb', 'json') then quote_literal(jsonb_build_object('name', 'Ada Lovelace', 'phone', phone, 'note', words, 'other', jsonb_build_object('kept', n)))
        when t.type in ('text[]', 'character varying[]') then format('array[%L]', words)
        when not a.attnotnull or (a.atthasdef and a.attidentity = '') then null
        when t.type in ('smallint', 'integer', 'bigint', 'double precision', 'numeric', 'real') then n::text
        when t.type = 'uuid' then quote_literal(gen_random_uuid())
        when t.type = 'boolean' then 'false'
        when t.type = 'interval' then '''1 hour'''
        when t.type like 'timestamp%' then 'now()'
        when t.type = 'date' then 'current_date'
        when t.type = 'bytea' then format('sha256(%L)', n)
        when t.type = 'bigint[]' then format('array[%s]', n)
      end) as value
      from pg_attribute a
      cross join lateral (select format_type(a.atttypid, null) as type) t
      left join lateral (
        select f.literal from seed.fixed f where f.place in (one.place, '*') and f.name = a.attname order by f.place = '*' limit 1
      ) f on true
      where a.attrelid = one.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
    ) x where x.value is not null;
    execute format('insert into %s (%s) overriding system value values (%s) on conflict do nothing', one.place, line.columns, line."values");
  end loop;
  set local session_replication_role = origin;
end $$;

-- Every row of the database in which a text stands, whatever the column: its digits alone, its letters in small, and as hex.
create function seed.rows_with(digits text, email text) returns table (place text, found text)
language plpgsql as $$
declare
  one record;
begin
  for one in select c.oid::regclass::text as place from pg_class c join pg_namespace s on s.oid = c.relnamespace
    where s.nspname not like 'pg\_%' and s.nspname not in ('information_schema', 'seed') and c.relkind = 'r' loop
    return query execute format($q$select %1$L, t::text from %1$s t
      where regexp_replace(t::text, '[^0-9A-Za-z]', '', 'g') like '%%' || $1 || '%%' or lower(t::text) like '%%' || $2 || '%%'
        or t::text like '%%' || encode(convert_to($1, 'UTF8'), 'hex') || '%%' or t::text like '%%' || encode(convert_to($2, 'UTF8'), 'hex') || '%%'$q$, one.place)
    using digits, email;
  end loop;
end $$;

-- The digest of everything that stands in a team's rows, or in those of them that name somebody.
create function seed.digest_of(team uuid, digits text default '') returns text
language plpgsql as $$
declare
  one record;
  rows text := '';
  these text;
begin
  for one in select c.oid::regclass::text as place from pg_class c join pg_namespace s on s.oid = c.relnamespace
    where s.nspname in ('queue', 'longshore') and c.relkind in ('r', 'p') and not c.relispartition
      and exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'team_id') order by 1 loop
    execute format($q$select string_agg(t::text, e'\n' order by t::text) from %s t
      where t.team_id = $1 and regexp_replace(t::text, '[^0-9A-Za-z]', '', 'g') like '%%' || $2 || '%%'$q$, one.place) into these using team, digits;
    rows := rows || one.place || coalesce(these, '') || e'\n';
  end loop;
  return md5(rows);
end $$;
