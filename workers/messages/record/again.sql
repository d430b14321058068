-- Lets a message of unknown outcome go through the gates again: the vendor surely has not got it.
update longshore.messages
set state = 'planned',
    state_reason = $3,
    attempted_at = null,
    changed_at = now()
where team_id = $1
  and message_id = $2
  and state = 'unknown'
