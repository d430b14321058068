-- Keeps a wording of a message.
insert into longshore.message_texts
  (team_id, message_id, source, subject, body, written_by, note, model, prompt_tokens, completion_tokens)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
returning text_id
