-- Keeps a decision about a message.
insert into longshore.approval_decisions (team_id, message_id, verdict, text_id, new_text_id, decided_by, reason)
values ($1, $2, $3, $4, $5, $6, btrim($7))
