-- Ends a message that no vendor has: planned, or marked and refused.
update longshore.messages
set state = 'suppressed',
    state_reason = $3,
    ended_at = now(),
    changed_at = now()
where team_id = $1
  and message_id = $2
  and state in ('planned', 'dispatching')
