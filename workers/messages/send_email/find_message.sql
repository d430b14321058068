-- What never changes of a mail.
select m.campaign_id, m.lead_id
from longshore.messages m
where m.team_id = $1
  and m.message_id = $2
  and m.channel = 'email'
