-- What is settled is forgotten after a time: it has no partition to go with, so it goes in small bites.
set local role longshore_engine;

-- Forgets plans and batches that ended, dead letters that were replayed or discarded, ticks that fired, and deliveries of webhooks
-- that ended, more than `days`
-- ago: at most `most` rows of each. A letter stays as long as a plan speaks of it, a batch as long as the job behind it is not
-- over, and of each schedule the last tick. One process at a time. Returns how many rows went.
create or replace function queue.forget_settled(days integer, most integer default 1000) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  cut constant timestamptz := now() - make_interval(days => days);
  n integer;
  gone integer := 0;
begin
  if days < 1 or not pg_try_advisory_xact_lock(7203445) then return 0; end if;
  delete from queue.plan_items i using (
    select x.team_id, x.plan_id, x.job_id from queue.plans p join queue.plan_items x on x.plan_id = p.plan_id
    where p.ended_at < cut limit most
  ) old where i.team_id = old.team_id and i.plan_id = old.plan_id and i.job_id = old.job_id;
  get diagnostics n = row_count;
  gone := gone + n;
  delete from queue.plans p using (
    select x.team_id, x.plan_id from queue.plans x
    where x.ended_at < cut and not exists (select from queue.plan_items i where i.plan_id = x.plan_id) limit most
  ) old where p.team_id = old.team_id and p.plan_id = old.plan_id;
  get diagnostics n = row_count;
  gone := gone + n;
  delete from queue.dead d using (
    select x.job_id, x.team_id from queue.dead x
    where coalesce(x.replayed_at, x.discarded_at) < cut
      and not exists (select from queue.plan_items i where i.team_id = x.team_id and i.job_id = x.job_id)
    order by coalesce(x.replayed_at, x.discarded_at) limit most for update skip locked
  ) old where d.job_id = old.job_id and d.team_id = old.team_id;
  get diagnostics n = row_count;
  gone := gone + n;
  delete from queue.batches b using (
    select x.team_id, x.batch_id from queue.batches x
    where x.ended_at < cut and (x.then_job is null or queue.has_ended(x.then_job, x.team_id))
    order by x.ended_at limit most for update skip locked
  ) old where b.team_id = old.team_id and b.batch_id = old.batch_id;
  get diagnostics n = row_count;
  gone := gone + n;
  delete from queue.ticks t using (
    select x.team_id, x.schedule, x.due_at from queue.ticks x
    where x.fired_at < cut
      and exists (select from queue.ticks later where later.team_id = x.team_id and later.schedule = x.schedule and later.due_at > x.due_at)
    order by x.fired_at limit most
  ) old where t.team_id = old.team_id and t.schedule = old.schedule and t.due_at = old.due_at;
  get diagnostics n = row_count;
  gone := gone + n;
  delete from longshore.webhook_deliveries d using (
    select x.team_id, x.delivery_id from longshore.webhook_deliveries x
    where x.ended_at < cut order by x.ended_at limit most for update skip locked
  ) old where d.team_id = old.team_id and d.delivery_id = old.delivery_id;
  get diagnostics n = row_count;
  return gone + n;
end $$;

grant execute on function queue.forget_settled(integer, integer) to longshore_scheduler;

reset role;
