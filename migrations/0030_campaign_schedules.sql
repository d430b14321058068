-- A campaign's schedule goes when the campaign rests or ends.
set local role longshore_engine;

-- Takes a schedule away, for good. Its ticks stay on record. False: there was none.
create function queue.drop_schedule(team uuid, schedule text) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform queue.guard_team(team);
  delete from queue.schedules s where s.team_id = team and s.name = schedule;
  return found;
end $$;
grant execute on function queue.drop_schedule(uuid, text) to longshore_api, longshore_operator, longshore_scheduler;

reset role;
