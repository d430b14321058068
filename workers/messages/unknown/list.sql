-- Messages whose outcome nobody knows, of team $1 or of all, the oldest first behind $2.
select team_id as "team_id: TeamId", message_id, campaign_id, lead_id, step, purpose, attempted_at, looks, state_reason,
  right(recipient, 4) as "recipient_ends!", sender
from longshore.messages
where state = 'unknown'
  and ($1::uuid is null or team_id = $1)
  and message_id > $2
order by message_id
limit $3
