-- Decisions of a team behind one of them, each with what it was about.
select d.decision_id as decision, d.verdict, d.decided_by, d.reason, d.decided_at, d.message_id as message, m.campaign_id as campaign,
  m.lead_id as lead, m.step, m.channel, s.prompt as "prompt?", first.body as original, t.source, t.model, t.subject, t.body,
  n.subject as "new_subject?", n.body as "new_body?"
from longshore.approval_decisions d
join longshore.messages m on m.team_id = d.team_id and m.message_id = d.message_id
join longshore.message_texts t on t.team_id = d.team_id and t.text_id = d.text_id
cross join lateral (
  select x.body
  from longshore.message_texts x
  where x.team_id = d.team_id
    and x.message_id = d.message_id
  order by x.text_id
  limit 1
) first
left join longshore.message_texts n on n.team_id = d.team_id and n.text_id = d.new_text_id
left join longshore.step_contents s on s.team_id = d.team_id and s.campaign_id = m.campaign_id and s.step = m.step
where d.team_id = $1
  and d.decision_id > $2
order by d.decision_id
limit $3
