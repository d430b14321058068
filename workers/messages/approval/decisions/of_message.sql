-- What was decided about a message, in order.
select decision_id as decision, verdict, text_id as text, new_text_id as new_text, decided_by, reason, decided_at
from longshore.approval_decisions
where team_id = $1
  and message_id = $2
order by decision_id
