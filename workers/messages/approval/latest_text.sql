-- What a message says now, by the number of its wording.
select max(text_id) as "text_id!"
from longshore.message_texts
where team_id = $1
  and message_id = $2
