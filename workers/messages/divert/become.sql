-- Makes planned messages what their steps say: their channel, for a mail its address and subject, and who has to look first.
update longshore.messages m
set channel = b.channel,
    recipient = coalesce(b.recipient, m.recipient),
    sender = case when b.channel = 'email' then s.address else m.sender end,
    subject = b.subject,
    approval = b.approval,
    changed_at = now()
from unnest($2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[]) as b(message_id, channel, recipient, subject, approval)
left join longshore.email_senders s on s.team_id = $1
where m.team_id = $1
  and m.message_id = b.message_id
  and m.state = 'planned'
