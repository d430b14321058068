-- What is to be written: what the message stands at, what its lead is known by, what the model is told. The template's text is
-- the message's first wording, whatever was written or edited since.
select m.state, m.approval, m.channel, m.subject, s.prompt as "prompt?", coalesce(s.approval, true) as "wants_approval!",
  coalesce((
    select t.body from longshore.message_texts t
    where t.team_id = m.team_id and t.message_id = m.message_id
    order by t.text_id
    limit 1
  ), m.body) as "template!",
  l.first_name, l.last_name, l.company, l.city, l.state as us_state
from longshore.messages m
join longshore.leads l on l.team_id = m.team_id and l.lead_id = m.lead_id
left join longshore.step_contents s on s.team_id = m.team_id and s.campaign_id = m.campaign_id and s.step = m.step
where m.team_id = $1
  and m.message_id = $2
