-- Messages that wait for a text or for somebody's look, behind one of them, the oldest first.
select m.message_id, m.campaign_id, m.lead_id, m.step, m.channel, m.subject, m.body, m.created_at, t.text_id
from longshore.messages m
cross join lateral (
  select x.text_id
  from longshore.message_texts x
  where x.team_id = $1
    and x.message_id = m.message_id
  order by x.text_id desc
  limit 1
) t
where m.team_id = $1
  and m.approval in ('draft', 'preview')
  and m.approval = $2
  and m.state = 'planned'
  and ($3::bigint is null or m.campaign_id = $3)
  and m.message_id > $4
order by m.message_id
limit $5
