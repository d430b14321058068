-- What never changes of a message.
select m.campaign_id, m.lead_id
from longshore.messages m
where m.team_id = $1
  and m.message_id = $2
