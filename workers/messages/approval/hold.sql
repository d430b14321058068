-- A message with its clearance, kept so until the transaction ends; and whether its text was for a model to write.
select m.approval, m.state, m.channel, m.subject,
  exists (
    select from longshore.step_contents s
    where s.team_id = m.team_id and s.campaign_id = m.campaign_id and s.step = m.step and s.prompt is not null
  ) as "is_generated!"
from longshore.messages m
where m.team_id = $1
  and m.message_id = $2
  and m.approval <> 'none'
for update of m
