-- Suppresses what was planned for a number and is not marked for the vendor yet.
update longshore.messages
set state = 'suppressed',
    state_reason = $3,
    ended_at = now(),
    changed_at = now()
where team_id = $1
  and recipient = $2
  and state = 'planned'
