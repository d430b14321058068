-- Counts the leads that match, each by the first thing that would keep it out, as an enrollment judges it. Joined as sets and
-- not looked up lead by lead, because all of a team's leads may match.
with suppressed as (
  select distinct phone from longshore.suppressions where team_id = $1 and lifted_at is null
), judged as (
  select
    case
      when l.phone is null then 'no_phone'
      when l.stopped_at is not null then 'stopped'
      when s.phone is not null then 'suppressed'
      when e.lead_id is not null then 'enrolled_before'
      when r.lead_id is not null then 'running_elsewhere'
      else 'free'
    end as fate
  from longshore.leads l
  left join suppressed s on s.phone = l.phone
  left join longshore.enrollments e on e.team_id = $1 and e.campaign_id = $4 and e.lead_id = l.lead_id
  left join longshore.enrollments r on r.team_id = $1 and r.lead_id = l.lead_id and r.state = 'running'
  where l.team_id = $1
    and (cardinality($2::text[]) = 0 or l.tags && $2)
    and l.engagement = any ($3::text[])
)
select count(*) as "total!",
  count(*) filter (where fate = 'free') as "free!",
  count(*) filter (where fate = 'no_phone') as "no_phone!",
  count(*) filter (where fate = 'stopped') as "stopped!",
  count(*) filter (where fate = 'suppressed') as "suppressed!",
  count(*) filter (where fate = 'enrolled_before') as "enrolled_before!",
  count(*) filter (where fate = 'running_elsewhere') as "running_elsewhere!"
from judged
