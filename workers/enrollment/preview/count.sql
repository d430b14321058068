-- Counts the leads that match, each by the first thing that would keep it out, as an enrollment judges it.
select count(*) as "total!",
  count(*) filter (where fate = 'free') as "free!",
  count(*) filter (where fate = 'no_phone') as "no_phone!",
  count(*) filter (where fate = 'stopped') as "stopped!",
  count(*) filter (where fate = 'suppressed') as "suppressed!",
  count(*) filter (where fate = 'enrolled_before') as "enrolled_before!",
  count(*) filter (where fate = 'running_elsewhere') as "running_elsewhere!"
from (
  select
    case
      when l.phone is null then 'no_phone'
      when l.stopped_at is not null then 'stopped'
      when exists (
        select from longshore.suppressions s where s.team_id = l.team_id and s.phone = l.phone and s.lifted_at is null
      ) then 'suppressed'
      when exists (
        select from longshore.enrollments e where e.team_id = l.team_id and e.campaign_id = $4 and e.lead_id = l.lead_id
      ) then 'enrolled_before'
      when exists (
        select from longshore.enrollments e where e.team_id = l.team_id and e.lead_id = l.lead_id and e.state = 'running'
      ) then 'running_elsewhere'
      else 'free'
    end as fate
  from longshore.leads l
  where l.team_id = $1
    and (cardinality($2::text[]) = 0 or l.tags && $2)
    and l.engagement = any ($3::text[])
) judged
