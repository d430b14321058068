-- Who a team's mails come from.
select address, name, reply_to, postal
from longshore.email_senders
where team_id = $1
