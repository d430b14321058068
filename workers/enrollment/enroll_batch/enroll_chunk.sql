-- Enrolls the next matching leads behind $7, up to $8, that nothing forbids, and counts what became of each.
-- Rows go in by lead id, so that two campaigns with the same leads wait for each other instead of deadlocking; the unique
-- index decides which of them gets a lead.
with batch as materialized (
  select lead_id, phone, stopped_at
  from longshore.leads
  where team_id = $1
    and lead_id > $7
    and lead_id <= $8
    and (cardinality($3::text[]) = 0 or tags && $3)
    and engagement = any ($4::text[])
  order by lead_id
  limit $9
), judged as materialized (
  select b.lead_id,
    case
      when exists (
        select from longshore.enrollments e
        where e.team_id = $1 and e.campaign_id = $2 and e.lead_id = b.lead_id
      ) then 'enrolled_before'
      when b.phone is null then 'no_phone'
      when b.stopped_at is not null then 'stopped'
      when exists (
        select from longshore.suppressions s
        where s.team_id = $1 and s.phone = b.phone and s.lifted_at is null
      ) then 'suppressed'
      when exists (
        select from longshore.enrollments e
        where e.team_id = $1 and e.lead_id = b.lead_id and e.state = 'running'
      ) then 'running_elsewhere'
    end as obstacle
  from batch b
), enrolled as (
  insert into longshore.enrollments (team_id, campaign_id, lead_id, next_step, next_due_at, run_job, enrolled_at)
  select $1, $2, lead_id, 1, $6::timestamptz + make_interval(mins => $10::integer), $5, $6
  from judged
  where obstacle is null
  order by lead_id
  on conflict do nothing
  returning lead_id
)
select count(*) as "attempted!",
  (select count(*) from enrolled) as "enrolled!",
  count(*) filter (where obstacle = 'enrolled_before') as "enrolled_before!",
  count(*) filter (where obstacle = 'no_phone') as "no_phone!",
  count(*) filter (where obstacle = 'stopped') as "stopped!",
  count(*) filter (where obstacle = 'suppressed') as "suppressed!",
  count(*) filter (where obstacle = 'running_elsewhere') as "running_elsewhere!",
  max(lead_id) as last_lead
from judged
