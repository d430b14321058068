-- All wordings of a message, the first one first.
select text_id as text, source, subject, body, written_by, note, model, written_at
from longshore.message_texts
where team_id = $1
  and message_id = $2
order by text_id
