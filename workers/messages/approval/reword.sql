-- Gives a message that is not cleared another wording, and puts it before a person.
update longshore.messages
set body = $3,
    subject = $4,
    approval = 'preview',
    changed_at = now()
where team_id = $1
  and message_id = $2
  and approval in ('draft', 'preview')
  and state = 'planned'
