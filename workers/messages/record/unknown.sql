-- Records that nobody knows whether the vendor has a message, and counts a look that did not find it. Says what is held for it.
update longshore.messages
set state = 'unknown',
    state_reason = $3,
    looks = looks + $4,
    changed_at = now()
where team_id = $1
  and message_id = $2
  and state in ('dispatching', 'unknown')
returning hold_job, tries
