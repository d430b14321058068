-- Records that the vendor has a message, unless that is known already. Says what is held for it.
update longshore.messages
set state = 'accepted',
    state_reason = null,
    vendor = $3,
    vendor_id = $4,
    segments = $5,
    accepted_at = now(),
    changed_at = now()
where team_id = $1
  and message_id = $2
  and state in ('dispatching', 'unknown')
returning hold_job, tries
