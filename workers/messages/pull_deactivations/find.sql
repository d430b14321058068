-- Which of these numbers the team has a lead or a consent for, and has not taken out of its reach for this reason; in one order
-- for all, so that two runs wait for each other.
select p.phone as "phone!"
from unnest($2::text[]) p(phone)
where (exists (select from longshore.leads l where l.team_id = $1 and l.phone = p.phone)
    or exists (select from longshore.consents c where c.team_id = $1 and c.phone = p.phone and c.revoked_at is null))
  and not exists (
    select from longshore.suppressions s
    where s.team_id = $1 and s.phone = p.phone and s.reason = 'INVALID_NUMBER' and s.lifted_at is null
  )
order by p.phone
