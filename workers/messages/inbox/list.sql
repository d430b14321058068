-- A team's inbox before $2, the newest first.
select inbound_id, received_at, sender, recipient, body, meaning, answer
from longshore.inbox
where team_id = $1
  and inbound_id < $2
order by inbound_id desc
limit $3
