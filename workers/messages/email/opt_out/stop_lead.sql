-- Locks the lead that a mail went to, until the transaction ends, and stops it. One that was stopped is locked all the same.
update longshore.leads l
set stopped_at = coalesce(l.stopped_at, now())
from longshore.messages m
where m.team_id = $1
  and m.message_id = $2
  and m.channel = 'email'
  and l.team_id = m.team_id
  and l.lead_id = m.lead_id
returning l.lead_id, m.recipient
