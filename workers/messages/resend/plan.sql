-- Plans a message that failed in passing once more, in a round of its own and with the decision that led to it; no row where it is not to be:
-- it was sent again so often already, or is planned again by a person, or its lead or its campaign is out of it by now.
with again as (
  update longshore.enrollments e
  set round = e.round + 1
  from longshore.messages m
  join longshore.campaigns c on c.team_id = m.team_id and c.campaign_id = m.campaign_id
  join longshore.leads l on l.team_id = m.team_id and l.lead_id = m.lead_id
  where m.team_id = $1
    and m.message_id = $2
    and m.state = 'failed'
    and m.channel = 'sms'
    and m.resends < $3
    and c.state in ('active', 'paused')
    and l.stopped_at is null
    and l.phone = m.recipient
    and not exists (
      select from longshore.messages later
      where later.team_id = m.team_id and later.campaign_id = m.campaign_id and later.lead_id = m.lead_id and later.step = m.step
        and later.round > m.round
    )
    and e.team_id = m.team_id
    and e.campaign_id = m.campaign_id
    and e.lead_id = m.lead_id
    and e.state <> 'stopped'
    and e.round < 100
  returning m.message_id, e.round
), planned as (
  insert into longshore.messages (team_id, campaign_id, lead_id, step, variant, round, sender, recipient, body, approval, resend_of, resends)
  select m.team_id, m.campaign_id, m.lead_id, m.step, m.variant, a.round, m.sender, m.recipient, m.body, m.approval, m.message_id, m.resends + 1
  from again a
  join longshore.messages m on m.team_id = $1 and m.message_id = a.message_id
  on conflict do nothing
  returning message_id
), worded as (
  -- What was approved of the one is what the other says.
  insert into longshore.message_texts (team_id, message_id, source, subject, body, written_by, note, model, prompt_tokens, completion_tokens)
  select t.team_id, p.message_id, t.source, t.subject, t.body, t.written_by, t.note, t.model, t.prompt_tokens, t.completion_tokens
  from planned p
  cross join lateral (
    select * from longshore.message_texts w where w.team_id = $1 and w.message_id = $2 order by w.text_id desc limit 1
  ) t
), decided as (
  insert into longshore.message_decisions (team_id, message_id, judged_at, verdict, rule, rules_version, inputs)
  select $1, $2, now(), 'resend', $5, $6, jsonb_build_object('message_id', p.message_id, 'after_seconds', $4::integer, 'most', $3)
  from planned p
)
select p.message_id, now() + make_interval(secs => $4::integer) as "due_at!"
from planned p
