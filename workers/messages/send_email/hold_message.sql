-- The mail as it stands, kept so until the transaction ends, and whether somebody still has to look at it.
select recipient, subject, body, state, approval, approval in ('none', 'approved') as "is_cleared!"
from longshore.messages
where team_id = $1
  and message_id = $2
for update
