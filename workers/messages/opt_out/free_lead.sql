-- Lets the lead with this number be enrolled again, unless its number is suppressed for another reason.
update longshore.leads l
set stopped_at = null
where l.team_id = $1
  and l.phone = $2
  and not exists (
    select from longshore.suppressions s
    where s.team_id = l.team_id
      and s.phone = l.phone
      and s.lifted_at is null
  )
