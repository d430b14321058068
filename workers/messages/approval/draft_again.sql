-- Makes a message in preview a draft again: its text is to be written anew.
update longshore.messages
set approval = 'draft',
    changed_at = now()
where team_id = $1
  and message_id = $2
  and approval = 'preview'
  and state = 'planned'
