-- Gives a message the text that was written for it, and clears it or puts it before a person.
update longshore.messages
set body = $3,
    approval = $4,
    changed_at = now()
where team_id = $1
  and message_id = $2
  and state = 'planned'
  and approval = 'draft'
