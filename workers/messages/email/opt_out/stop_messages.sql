-- Suppresses what was planned for a lead in the campaigns it is in, by whatever channel, and is not marked for a vendor yet.
update longshore.messages m
set state = 'suppressed',
    state_reason = 'suppressed_opt_out',
    ended_at = now(),
    changed_at = now()
from longshore.leads l
where l.team_id = $1
  and l.lead_id = $2
  and m.team_id = l.team_id
  and m.lead_id = l.lead_id
  and m.recipient in (l.phone, lower(l.email))
  and m.state = 'planned'
