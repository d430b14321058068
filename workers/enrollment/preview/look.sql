-- Looks at leads: who each is, and what would keep it out now. No number, no e-mail.
select l.lead_id, l.first_name, l.last_name, l.company, l.city, l.state, l.zip, l.tags, l.engagement,
  case
    when cardinality($3::text[]) > 0 and not l.tags && $3 then 'other_tags'
    when not l.engagement = any ($4::text[]) then 'other_engagement'
    when l.phone is null then 'no_phone'
    when l.stopped_at is not null then 'stopped'
    when exists (
      select from longshore.suppressions s where s.team_id = $1 and s.phone = l.phone and s.lifted_at is null
    ) then 'suppressed'
    when exists (
      select from longshore.enrollments e where e.team_id = $1 and e.campaign_id = $5 and e.lead_id = l.lead_id
    ) then 'enrolled_before'
    when exists (
      select from longshore.enrollments e where e.team_id = $1 and e.lead_id = l.lead_id and e.state = 'running'
    ) then 'running_elsewhere'
    else 'free'
  end as "fate!",
  null::text as problem
from longshore.leads l
where l.team_id = $1
  and l.lead_id = any ($2)
order by l.lead_id
