-- Marks a mail for the server, from the address that the team has now: from here on nobody may send it again. The time is the database's, to the instant.
update longshore.messages
set state = 'dispatching',
    state_reason = null,
    vendor = $3,
    sender = $4,
    attempted_at = clock_timestamp(),
    looks = 0,
    changed_at = now()
where team_id = $1
  and message_id = $2
  and state = 'planned'
