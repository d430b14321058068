-- Notes why a mail waits. A row is touched only when the reason is new, so that a long pause is not written every time.
update longshore.messages
set state_reason = $3,
    changed_at = now()
where team_id = $1
  and message_id = $2
  and state = 'planned'
  and state_reason is distinct from $3
