-- A message that somebody had to look at, or whose text was written.
select m.campaign_id, m.lead_id, m.step, m.channel, m.approval, m.state, m.state_reason, m.created_at, m.attempted_at,
  m.accepted_at, m.ended_at
from longshore.messages m
where m.team_id = $1
  and m.message_id = $2
  and exists (select from longshore.message_texts t where t.team_id = m.team_id and t.message_id = m.message_id)
