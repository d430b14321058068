-- Records that the vendor refused a message for good.
update longshore.messages
set state = 'failed',
    state_reason = $3,
    error_code = $4,
    ended_at = now(),
    changed_at = now()
where team_id = $1
  and message_id = $2
  and state = 'dispatching'
