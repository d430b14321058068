-- What content asks across teams: whose a link in a mail is, before any team is known.
set local role longshore_engine;

-- The team and the message that an unsubscribe link belongs to; no row where there is no such link.
create or replace function longshore.unsubscribe_link(link bytea, out team uuid, out message bigint) returns setof record
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select l.team_id, l.message_id from longshore.unsubscribe_links l where l.digest = sha256(link)
$$;
grant execute on function longshore.unsubscribe_link(bytea) to longshore_api;

reset role;
