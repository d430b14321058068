-- Gives a message in preview another wording.
update longshore.messages
set body = $3,
    subject = $4,
    changed_at = now()
where team_id = $1
  and message_id = $2
  and approval = 'preview'
  and state = 'planned'
