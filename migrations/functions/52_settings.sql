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

-- Changes a flag, or makes it: all of it. Jobs that it held back and holds back no more become ready; what it holds back from
-- now on is set aside by the next claim that meets it.
create or replace function longshore.set_flag(name text, description text, default_on boolean, percent smallint, kind text, by text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if set_flag.name !~ '^[a-z][a-z0-9_]{0,62}$' then
    raise exception 'a flag can''t be called that' using errcode = 'LS020', detail = 'name', hint = 'Small letters, digits and _, 63 at most, a letter first.';
  end if;
  if set_flag.percent not between 0 and 100 then
    raise exception 'a share is 0 to 100 percent' using errcode = 'LS020', detail = 'percent';
  end if;
  if set_flag.kind is not null and not exists (select from queue.kinds k where k.kind = set_flag.kind) then
    raise exception 'no build has announced the kind' using errcode = 'LS020', detail = 'kind', hint = 'longshore kinds lists them.';
  end if;
  perform pg_advisory_xact_lock(7203446);
  if exists (select from longshore.flags f where f.kind = set_flag.kind and f.name <> set_flag.name) then
    raise exception 'another flag has that kind' using errcode = 'LS020', detail = 'kind', hint = 'Take the kind from that flag first.';
  end if;
  insert into longshore.flags as f (name, description, default_on, percent, kind, updated_by)
  values (set_flag.name, set_flag.description, set_flag.default_on, set_flag.percent, set_flag.kind, by)
  on conflict on constraint flags_pkey do update set description = excluded.description, default_on = excluded.default_on, percent = excluded.percent,
    kind = excluded.kind, updated_by = excluded.updated_by, updated_at = now();
  perform queue.wake_held_back(set_flag.name);
end $$;

-- Takes a flag away, with its overrides. False: there was none.
create or replace function longshore.unset_flag(name text) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform pg_advisory_xact_lock(7203446);
  delete from longshore.flag_overrides o where o.flag = unset_flag.name;
  delete from longshore.flags f where f.name = unset_flag.name;
  if not found then return false; end if;
  perform queue.wake_held_back(unset_flag.name);
  return true;
end $$;

-- Switches a flag for one team, whatever its share; null: as the share says. False: there is no such flag.
create or replace function longshore.override_flag(flag text, team uuid, is_on boolean, by text) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform queue.guard_team(team);
  perform pg_advisory_xact_lock(7203446);
  if not exists (select from longshore.flags f where f.name = override_flag.flag) then return false; end if;
  if override_flag.is_on is null then
    delete from longshore.flag_overrides o where o.team_id = team and o.flag = override_flag.flag;
  else
    insert into longshore.flag_overrides (team_id, flag, is_on, updated_by) values (team, override_flag.flag, override_flag.is_on, by)
    on conflict on constraint flag_overrides_pkey do update set is_on = excluded.is_on, updated_by = excluded.updated_by, updated_at = now();
  end if;
  perform queue.wake_held_back(override_flag.flag);
  return true;
end $$;

-- What a team may have in each queue: its own setting, else every team's. `unfinished` as last measured, where a cap asks for it.
create or replace function longshore.quotas(team uuid)
returns table (queue text, unfinished_most bigint, unfinished bigint, measured_at timestamptz, running_most integer,
  per_second double precision, burst integer, weight smallint, own boolean)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
begin
  perform queue.guard_team(team);
  return query
    select q.name, coalesce(o.unfinished_most, e.unfinished_most), b.unfinished, b.measured_at, coalesce(o.running_most, e.running_most),
      coalesce(o.per_second, e.per_second), coalesce(o.burst, e.burst), coalesce(o.weight, e.weight, 1::smallint),
      coalesce(o.unfinished_most, o.running_most, o.per_second, o.burst, o.weight) is not null
    from queue.queues q
    left join queue.lanes o on o.queue_id = q.id and o.team_id = quotas.team
    left join queue.lanes e on e.queue_id = q.id and e.team_id = '00000000-0000-0000-0000-000000000000'
    left join queue.backlogs b on b.queue_id = q.id and b.team_id = quotas.team;
end $$;

-- The named rates that hold for a team: its own before one of the same name that every team shares.
create or replace function longshore.shared_rates(team uuid) returns table (name text, per_second double precision, burst integer)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
begin
  perform queue.guard_team(team);
  return query
    select distinct on (b.name) b.name, b.per_second, b.burst from queue.buckets b
    where b.team_id in (shared_rates.team, '00000000-0000-0000-0000-000000000000')
    order by b.name, b.team_id desc;
end $$;

grant execute on function longshore.quotas(uuid), longshore.shared_rates(uuid) to longshore_api, longshore_operator;
grant execute on function longshore.set_flag(text, text, boolean, smallint, text, text), longshore.unset_flag(text),
  longshore.override_flag(text, uuid, boolean, text) to longshore_operator;
grant execute on function longshore.data_keys_to_rewrap(text, text[], uuid, integer, integer),
  longshore.rewrap_data_keys(uuid[], integer[], bytea[], text, bytea[], bytea[]) to longshore_worker;
grant execute on function longshore.keyring_use() to longshore_worker, longshore_operator, longshore_auditor;

reset role;
