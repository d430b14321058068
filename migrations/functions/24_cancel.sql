-- What somebody decides about a job that waits or runs.
set local role longshore_engine;

-- Cancels a job. Answers cancelled (it will not run), cancelling (it runs; its handler is told within a heartbeat),
-- or how it had ended already: done, dead, cancelled; null when the team has no such job.
create or replace function queue.cancel(team uuid, job bigint, by text) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  j queue.jobs;
  ended smallint;
begin
  perform queue.guard_team(team);
  select * into j from queue.jobs where id = job and team_id = team;
  if not found then return null; end if;
  select o.outcome into ended from queue.outcomes o where o.job_id = job and o.team_id = team limit 1;
  if found then return case ended when 1 then 'done' when 3 then 'cancelled' else 'dead' end; end if;
  -- A team cancels its own jobs as it likes, and the job says by which key; an operator acts on what is another's.
  if starts_with(current_setting('app.actor', true), 'operator ') then
    perform longshore.audit_deed(team, by, 'job.cancel', 'job_' || job, null, null, jsonb_build_object('kind', j.kind));
  end if;
  if (select w.was from queue.withdraw(j) w) then
    perform queue.end_unrun(j, 'cancelled before it ran, by ' || coalesce(by, 'unknown'));
    return 'cancelled';
  end if;
  insert into queue.cancels (job_id, team_id, requested_by) values (job, team, by) on conflict do nothing;
  return 'cancelling';
end $$;

-- Wakes parked jobs of a team whose park reason starts with `why`. Returns how many.
create or replace function queue.unpark(team uuid, why text) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  n integer;
begin
  perform queue.guard_team(team);
  update queue.scheduled s set run_at = now() where s.team_id = team and s.run_at = 'infinity' and starts_with(s.detail, why);
  get diagnostics n = row_count;
  return n;
end $$;

grant execute on function queue.cancel(uuid, bigint, text) to longshore_api, longshore_operator, longshore_worker;
grant execute on function queue.unpark(uuid, text) to longshore_api, longshore_operator, longshore_worker;

reset role;
