-- Ends a message that is not cleared: it never leaves.
update longshore.messages
set approval = 'rejected',
    state = 'suppressed',
    state_reason = 'rejected',
    ended_at = now(),
    changed_at = now()
where team_id = $1
  and message_id = $2
  and approval in ('draft', 'preview')
  and state = 'planned'
