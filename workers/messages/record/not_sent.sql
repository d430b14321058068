-- Takes the mark back from a message that is known not to have reached the vendor.
update longshore.messages
set state = 'planned',
    state_reason = $3,
    attempted_at = null,
    changed_at = now()
where team_id = $1
  and message_id = $2
  and state = 'dispatching'
