-- What the HTTP door asks for those who wait: in one question for all of them, whatever their teams.
set local role longshore_engine;

-- Where watched jobs are, each named with its team; a pair that is no job of that team has no row. It crosses teams: the door
-- names the team that a caller's key gave, and passes an answer on to that caller alone.
create or replace function queue.watch_jobs(teams uuid[], jobs bigint[])
returns table (team_id uuid, job_id bigint, outcome smallint, waits_for text, waiting_attempt smallint, running_attempt smallint,
  cancelling boolean, done bigint)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  with held as materialized (
    select l.team_id, l.attempt, unnest(l.open) as job_id from queue.leases l where l.team_id = any (teams)
  )
  select w.team_id, w.job_id, o.outcome,
    coalesce(s.reason, case when b.limit_key is not null then 'blocked' when u.job_id is not null then 'suspect' end),
    coalesce(s.attempt, b.attempt, u.attempt), h.attempt,
    exists (select from queue.cancels c where c.job_id = w.job_id and c.team_id = w.team_id), p.done
  from unnest(teams, jobs) w (team_id, job_id)
  join queue.jobs j on j.id = w.job_id and j.team_id = w.team_id
  left join lateral (
    select x.outcome from queue.outcomes x where x.job_id = w.job_id and x.team_id = w.team_id and x.keep = j.keep
    order by x.finished_at desc limit 1
  ) o on true
  left join queue.scheduled s on s.job_id = w.job_id and s.team_id = w.team_id
  left join lateral (select x.attempt from held x where x.job_id = w.job_id and x.team_id = w.team_id limit 1) h on true
  left join lateral (
    select x.limit_key, x.attempt from queue.blocked x where x.team_id = j.team_id and x.limit_key = j.limit_key and j.id = any (x.jobs) limit 1
  ) b on true
  left join queue.suspects u on u.queue_id = j.queue_id and u.job_id = j.id and u.team_id = j.team_id
  left join queue.progress p on p.team_id = w.team_id and p.job_id = w.job_id
$$;

-- The same of batches: as they were added up last.
create or replace function queue.watch_batches(teams uuid[], batches bigint[])
returns table (team_id uuid, batch_id bigint, jobs bigint, done bigint, dead bigint, cancelled bigint, sealed boolean, ended boolean)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select b.team_id, b.batch_id, b.jobs, b.done, b.dead, b.cancelled, b.sealed_at is not null, b.ended_at is not null
  from unnest(teams, batches) w (team_id, batch_id)
  join queue.batches b on b.team_id = w.team_id and b.batch_id = w.batch_id
$$;

-- The newest jobs of a team behind one, found by looking at a bounded number of everybody's: ids of a team are not in a row,
-- and one that has been quiet for long must not make its caller read all that others did. `reached`: so far was looked,
-- and there is more; null at the end.
create or replace function queue.newest_jobs(team uuid, of_kind text, of_queue smallint, of_outcome smallint, behind bigint, most integer,
  out jobs bigint[], out reached bigint)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_variable
declare
  seen bigint;
  bound integer;
begin
  perform queue.guard_team(team);
  foreach bound in array array[2000, 100000] loop
    with looked as materialized (
      select j.id, j.team_id, j.keep from queue.jobs j where behind is null or j.id < behind order by j.id desc limit bound
    ), mine as (
      select j.id
      from looked l
      join queue.jobs j on j.id = l.id and j.team_id = l.team_id and j.keep = l.keep
      where l.team_id = team and (of_kind is null or j.kind = of_kind) and (of_queue is null or j.queue_id = of_queue)
        and (of_outcome is null
          or exists (select from queue.outcomes o where o.job_id = j.id and o.team_id = j.team_id and o.keep = j.keep and o.outcome = of_outcome))
      order by j.id desc
      limit most
    )
    select coalesce((select array_agg(m.id order by m.id desc) from mine m), '{}'), (select count(*) from looked),
      (select min(l.id) from looked l)
    into jobs, seen, reached;
    if cardinality(jobs) >= most then
      reached := jobs[most];
      return;
    end if;
    if seen < bound then
      reached := null;
      return;
    end if;
  end loop;
end $$;

grant execute on function queue.watch_jobs(uuid[], bigint[]), queue.watch_batches(uuid[], bigint[]),
  queue.newest_jobs(uuid, text, smallint, smallint, bigint, integer) to longshore_api;

reset role;
