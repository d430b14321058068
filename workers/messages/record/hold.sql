-- Keeps a message as it is until the transaction ends.
select state from longshore.messages
where team_id = $1
  and message_id = $2
for update
