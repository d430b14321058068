-- Keys, settings and flags: what crosses teams.
set local role longshore_engine;

-- Data keys that a key of the keyring wraps which is not `current`, behind (`after_team`, `after_number`): a chunk of a
-- rotation, held until the transaction ends. What another rotation holds is left to it. `known`: the keys that can be opened.
create or replace function longshore.data_keys_to_rewrap(current text, known text[], after_team uuid, after_number integer, most integer)
returns table (team_id uuid, number integer, master_key text, nonce bytea, wrapped bytea)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
begin
  perform queue.guard_team('00000000-0000-0000-0000-000000000001');
  return query
    select d.team_id, d.number, d.master_key, d.nonce, d.wrapped from longshore.data_keys d
    where d.master_key = any (known) and d.master_key <> current and (d.team_id, d.number) > (after_team, after_number)
    order by d.team_id, d.number limit most for update skip locked;
end $$;

-- Puts data keys under another key of the keyring (arrays that run in parallel); a row that is no longer as it was read stays.
create or replace function longshore.rewrap_data_keys(teams uuid[], numbers integer[], was_nonces bytea[], new_master text, new_nonces bytea[], new_wrapped bytea[])
returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  n integer;
begin
  perform queue.guard_team('00000000-0000-0000-0000-000000000001');
  update longshore.data_keys d
  set master_key = new_master, nonce = x.nonce, wrapped = x.wrapped, wrapped_at = now()
  from unnest(teams, numbers, was_nonces, new_nonces, new_wrapped) x(team_id, number, was_nonce, nonce, wrapped)
  where d.team_id = x.team_id and d.number = x.number and d.nonce = x.was_nonce;
  get diagnostics n = row_count;
  return n;
end $$;

-- How many data keys of how many teams each key of the keyring wraps: ids and counts, nothing of the keys.
create or replace function longshore.keyring_use() returns table (master_key text, data_keys bigint, teams bigint)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select d.master_key, count(*), count(distinct d.team_id) from longshore.data_keys d group by 1 order by 1
$$;

grant execute on function longshore.data_keys_to_rewrap(text, text[], uuid, integer, integer),
  longshore.rewrap_data_keys(uuid[], integer[], bytea[], text, bytea[], bytea[]) to longshore_worker;
grant execute on function longshore.keyring_use() to longshore_worker, longshore_operator, longshore_auditor;

reset role;
