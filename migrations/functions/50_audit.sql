-- The audit log's one way in, and the bytes that its hashes are of (docs/AUDIT.md says both for people outside).
set local role longshore_engine;

-- One field of what is hashed: its length in bytes, a colon, itself, a comma. Null is a dash and a comma, so that it is no
-- empty text.
create or replace function longshore.audit_field(value text) returns text
language sql immutable parallel safe
return coalesce(octet_length(convert_to(value, 'UTF8')) || ':' || value, '-') || ',';

-- The one written form of a moment: UTC, microseconds, whatever the session's settings.
create or replace function longshore.audit_moment(at timestamptz) returns text
language sql immutable parallel safe
return to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"');

-- The hash of an entry: SHA-256 over the form's name, the hash before it and every field, in this order.
create or replace function longshore.audit_hash(e longshore.audit_log) returns bytea
language sql immutable parallel safe
return sha256(convert_to(
  longshore.audit_field('longshore-audit-1') || longshore.audit_field(encode(e.previous, 'hex'))
  || longshore.audit_field(e.team_id::text) || longshore.audit_field(e.seq::text) || longshore.audit_field(longshore.audit_moment(e.at))
  || longshore.audit_field(e.actor) || longshore.audit_field(e.action) || longshore.audit_field(e.target)
  || longshore.audit_field(e.reason) || longshore.audit_field(e.before::text) || longshore.audit_field(e.after::text), 'UTF8'));

-- A person's words without what looks like an e-mail or a phone number (its last four digits stay): an entry can't be taken
-- back, and whoever asks to be forgotten is not to stand in it. What is left of a long text is its beginning.
create or replace function longshore.audit_words(words text) returns text
language sql immutable parallel safe
return left(regexp_replace(regexp_replace(regexp_replace(words,
  '[^\s@"\\<>]+@[^\s@"\\<>]+', '[e-mail]', 'g'),
  '\+[0-9](?:[ ().-]{0,2}[0-9]){2,10}[ ().-]{0,2}([0-9]{4})(?![0-9])', '[number …\1]', 'g'),
  '(?<![0-9A-Za-z_])(?:1[ .-]?)?\(?[2-9][0-9]{2}\)?[ .-]{0,2}[0-9]{3}[ .-]?([0-9]{4})(?![0-9])', '[number …\1]', 'g'), 500);

-- The same for every text in a value.
create or replace function longshore.audit_texts(value jsonb) returns jsonb
language plpgsql immutable parallel safe set search_path = pg_catalog, pg_temp as $$
begin
  return case jsonb_typeof(value)
    when 'string' then to_jsonb(longshore.audit_words(value #>> '{}'))
    when 'array' then (select coalesce(jsonb_agg(longshore.audit_texts(v) order by n), '[]') from jsonb_array_elements(value) with ordinality x(v, n))
    when 'object' then (select coalesce(jsonb_object_agg(longshore.audit_words(k), longshore.audit_texts(v)), '{}') from jsonb_each(value) x(k, v))
    else value
  end;
end $$;

-- A value as it is kept: what is too large for a log is there by its digest.
create or replace function longshore.audit_value(value jsonb) returns jsonb
language sql immutable parallel safe
return case
  when octet_length(value::text) > 8192 then
    jsonb_build_object('bytes', octet_length(value::text), 'sha256', encode(sha256(convert_to(value::text, 'UTF8')), 'hex'))
  else longshore.audit_texts(nullif(value, 'null'))
end;

-- Writes down one deed, and returns its number in the team's chain. `team` null is the house. `actor` is `key <id>` or
-- `operator <name>`, `action` is `noun.verb`. `before` and `after` hold neither secrets nor anything of a person: ids, counts,
-- digests. To be called last in a transaction: it holds the team's chain until the transaction ends.
create or replace function longshore.audit(team uuid, actor text, action text, target text, reason text, before jsonb, after jsonb)
returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  whose constant uuid := coalesce(team, '00000000-0000-0000-0000-000000000001');
  head longshore.audit_heads;
  e longshore.audit_log;
begin
  perform queue.guard_team(whose);
  insert into longshore.audit_heads (team_id, seq, hash) values (whose, 0, decode(repeat('00', 32), 'hex')) on conflict do nothing;
  select * into head from longshore.audit_heads h where h.team_id = whose for update;
  e.team_id := whose;
  e.seq := head.seq + 1;
  -- Not the transaction's time: behind the lock, time grows along the chain.
  e.at := clock_timestamp();
  e.actor := left(coalesce(nullif(btrim(audit.actor), ''), session_user::text), 200);
  e.action := audit.action;
  e.target := coalesce(longshore.audit_words(audit.target), '');
  e.reason := nullif(longshore.audit_words(btrim(audit.reason)), '');
  e.before := longshore.audit_value(audit.before);
  e.after := longshore.audit_value(audit.after);
  e.previous := head.hash;
  e.hash := longshore.audit_hash(e);
  insert into longshore.audit_log select e.*;
  update longshore.audit_heads h set seq = e.seq, hash = e.hash where h.team_id = whose;
  return e.seq;
end $$;

-- The same, by whoever the transaction says acts: `app.actor`, which the command line and the HTTP door set; else `actor`, else
-- the role. Where no reason is given it is `app.reason`. The queue's own functions write their deeds by this.
create or replace function longshore.audit_deed(team uuid, actor text, action text, target text, reason text, before jsonb, after jsonb)
returns bigint
language sql security definer set search_path = pg_catalog, pg_temp as $$
  select longshore.audit(team, coalesce(nullif(current_setting('app.actor', true), ''), actor), action, target,
    coalesce(nullif(btrim(reason), ''), current_setting('app.reason', true)), before, after)
$$;

grant execute on function longshore.audit_deed(uuid, text, text, text, text, jsonb, jsonb),
  longshore.audit(uuid, text, text, text, text, jsonb, jsonb)
  to longshore_api, longshore_worker, longshore_scheduler, longshore_operator, longshore_migrator, longshore_owner;
grant execute on function longshore.audit_field(text), longshore.audit_moment(timestamptz), longshore.audit_hash(longshore.audit_log)
  to longshore_api, longshore_worker, longshore_scheduler, longshore_operator, longshore_auditor;

reset role;
