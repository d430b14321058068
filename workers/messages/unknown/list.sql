-- Messages whose outcome nobody knows, of team $1 or of all, the oldest first behind $2.
select m.team_id as "team_id: TeamId", m.message_id, m.campaign_id, m.lead_id, m.step, c.purpose, m.attempted_at, m.looks, m.state_reason,
  right(m.recipient, 4) as "recipient_ends!", m.sender
from longshore.messages m
join longshore.campaigns c on c.team_id = m.team_id and c.campaign_id = m.campaign_id
where m.state = 'unknown'
  and ($1::uuid is null or m.team_id = $1)
  and m.message_id > $2
order by m.message_id
limit $3
