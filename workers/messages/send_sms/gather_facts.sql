-- What the gates ask beside the locked rows. Read behind the locks, so that an opt-out that came first is seen.
select
  (select e.state from longshore.enrollments e
   where e.team_id = $1 and e.campaign_id = $2 and e.lead_id = $3) as enrollment,
  array(select s.reason from longshore.suppressions s
        where s.team_id = $1 and s.phone = $4 and s.lifted_at is null order by s.reason)
    || case when longshore.is_erased($1, $4) then array['ERASED'] else '{}' end as "suppressed!",
  c.consent_id as "consent_id?", c.level as "consent_level?", c.expires_at as consent_expires_at,
  lately.sent as "sent_lately!", lately.frees_in as "frees_in_seconds!"
from (
  select count(*) as sent,
    coalesce(extract(epoch from min(m.attempted_at) + interval '24 hours' - now()), 0)::double precision as frees_in
  from longshore.messages m
  where m.team_id = $1
    and m.recipient = $4
    and m.attempted_at > now() - interval '24 hours'
    and m.state in ('dispatching', 'accepted', 'delivered', 'unknown')
) lately
left join lateral (
  select consent_id, level, expires_at
  from longshore.consents
  where team_id = $1
    and phone = $4
    and purpose = 'marketing'
    and revoked_at is null
  -- The one that carries furthest: written before spoken, without an end before with one.
  order by (expires_at is null or expires_at > $5) desc, (level = 'express_written') desc, expires_at desc nulls first, consent_id
  limit 1
) c on true
