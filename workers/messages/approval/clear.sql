-- Clears a message in preview.
update longshore.messages
set approval = 'approved',
    changed_at = now()
where team_id = $1
  and message_id = $2
  and approval = 'preview'
  and state = 'planned'
