-- How many other messages of the team to this number ended with this code within so many days.
select count(*) as "times!"
from longshore.messages
where team_id = $1
  and recipient = $2
  and error_code = $3
  and attempted_at > now() - make_interval(days => $4)
  and message_id <> $5
