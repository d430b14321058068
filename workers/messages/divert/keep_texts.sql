-- Keeps what was planned as the first wording of these messages.
insert into longshore.message_texts (team_id, message_id, source, subject, body, written_by)
select m.team_id, m.message_id, 'template', m.subject, m.body, $3
from longshore.messages m
where m.team_id = $1
  and m.message_id = any ($2)
order by m.message_id
