-- The message that a report is about: by our own id if the report carries one that we have, else by the vendor's.
select message_id, sender, recipient
from longshore.messages
where team_id = $1
  and (message_id = $2 or (vendor = $3 and vendor_id = $4))
order by (message_id = $2) is true desc
limit 1
