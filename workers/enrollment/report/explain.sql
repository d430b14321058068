-- Why a lead is or would not be enrolled in a campaign now.
select
  case
    when e.state is not null then 'enrolled_' || e.state
    when cardinality(c.target_tags) > 0 and not l.tags && c.target_tags then 'other_tags'
    when not l.engagement = any (c.engagement) then 'other_engagement'
    when l.phone is null then 'no_phone'
    when l.stopped_at is not null then 'stopped'
    when exists (
      select from longshore.suppressions s
      where s.team_id = l.team_id and s.phone = l.phone and s.lifted_at is null
    ) then 'suppressed'
    when exists (
      select from longshore.enrollments o
      where o.team_id = l.team_id and o.lead_id = l.lead_id and o.state = 'running'
    ) then 'running_elsewhere'
    else 'free'
  end as "answer!"
from longshore.campaigns c
join longshore.leads l on l.team_id = c.team_id
left join longshore.enrollments e on e.team_id = c.team_id and e.campaign_id = c.campaign_id and e.lead_id = l.lead_id
where c.team_id = $1
  and c.campaign_id = $2
  and l.lead_id = $3
