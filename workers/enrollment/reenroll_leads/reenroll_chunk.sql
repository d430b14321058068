-- Begins another round for the next leads of a campaign behind $3, up to $4, that have a send which failed and that nothing
-- forbids, and counts what became of each. A step that went well in a later round has not failed. Each row is looked up by its
-- key, whatever the statistics say; who is running elsewhere by the time of the write is found by the unique index.
with failed as materialized (
  select m.lead_id, min(m.step) as step
  from longshore.messages m
  where m.team_id = $1
    and m.campaign_id = $2
    and m.state = 'failed'
    and m.lead_id > $3
    and not exists (
      select from longshore.messages later
      where later.team_id = $1 and later.campaign_id = $2 and later.lead_id = m.lead_id and later.step = m.step and later.round > m.round
      offset 0
    )
  group by m.lead_id
  order by m.lead_id
  limit $4
), batch as materialized (
  select f.lead_id, f.step,
    case
      when l.phone is null then 'no_phone'
      when l.stopped_at is not null then 'stopped'
      when exists (
        select from longshore.suppressions s
        where s.team_id = $1 and s.phone = l.phone and s.lifted_at is null
        offset 0
      ) then 'suppressed'
      -- Its sequence is not over: what is still to come comes first.
      when e.state = 'running' or e.round = 100 then 'enrolled_before'
      when exists (
        select from longshore.enrollments o
        where o.team_id = $1 and o.lead_id = f.lead_id and o.state = 'running'
        offset 0
      ) then 'running_elsewhere'
    end as obstacle
  from failed f
  cross join lateral (
    select phone, stopped_at from longshore.leads where team_id = $1 and lead_id = f.lead_id limit 1
  ) l
  cross join lateral (
    select state, round from longshore.enrollments where team_id = $1 and campaign_id = $2 and lead_id = f.lead_id limit 1
  ) e
), enrolled as (
  update longshore.enrollments e
  set state = 'running',
      round = e.round + 1,
      next_step = b.step,
      next_due_at = $5,
      run_job = $6
  from batch b
  where b.obstacle is null
    and e.team_id = $1
    and e.campaign_id = $2
    and e.lead_id = b.lead_id
    and e.state <> 'running'
  returning e.lead_id
)
select count(*) as "attempted!",
  (select count(*) from enrolled) as "enrolled!",
  count(*) filter (where obstacle = 'enrolled_before') as "enrolled_before!",
  count(*) filter (where obstacle = 'running_elsewhere') as "running_elsewhere!",
  count(*) filter (where obstacle = 'no_phone') as "no_phone!",
  count(*) filter (where obstacle = 'stopped') as "stopped!",
  count(*) filter (where obstacle = 'suppressed') as "suppressed!",
  max(lead_id) as last_lead
from batch
