-- Enrolls the next matching leads behind $7, up to $8, that nothing forbids, and counts what became of each.
-- Rows go in by lead id, so that two campaigns with the same leads wait for each other instead of deadlocking. The unique
-- indexes decide who gets a lead; why one was not to be had is asked only for those that were not.
with batch as materialized (
  select l.lead_id,
    case
      when l.phone is null then 'no_phone'
      when l.stopped_at is not null then 'stopped'
      when exists (
        select from longshore.suppressions s
        where s.team_id = $1 and s.phone = l.phone and s.lifted_at is null
        offset 0
      ) then 'suppressed'
    end as obstacle
  from longshore.leads l
  where l.team_id = $1
    and l.lead_id > $7
    and l.lead_id <= $8
    and (cardinality($3::text[]) = 0 or l.tags && $3)
    and l.engagement = any ($4::text[])
  order by l.lead_id
  limit $9
), enrolled as (
  insert into longshore.enrollments (team_id, campaign_id, lead_id, next_step, next_due_at, run_job, enrolled_at)
  select $1, $2, lead_id, 1, $6::timestamptz + make_interval(mins => $10::integer), $5, $6
  from batch
  where obstacle is null
  order by lead_id
  on conflict do nothing
  returning lead_id
), taken as (
  select
    case
      when exists (
        select from longshore.enrollments e
        where e.team_id = $1 and e.campaign_id = $2 and e.lead_id = b.lead_id
        offset 0
      ) then 'enrolled_before'
      when exists (
        select from longshore.enrollments e
        where e.team_id = $1 and e.lead_id = b.lead_id and e.state = 'running'
        offset 0
      ) then 'running_elsewhere'
    end as obstacle
  from batch b
  where b.obstacle is null
    and b.lead_id not in (select lead_id from enrolled)
)
select count(*) as "attempted!",
  (select count(*) from enrolled) as "enrolled!",
  (select count(*) from taken where obstacle = 'enrolled_before') as "enrolled_before!",
  (select count(*) from taken where obstacle = 'running_elsewhere') as "running_elsewhere!",
  count(*) filter (where obstacle = 'no_phone') as "no_phone!",
  count(*) filter (where obstacle = 'stopped') as "stopped!",
  count(*) filter (where obstacle = 'suppressed') as "suppressed!",
  max(lead_id) as last_lead
from batch
