-- The message as it stands, kept so until the transaction ends, and how long ago it was handed to the vendor.
select sender, recipient, body, state, looks, attempted_at, approval in ('none', 'approved') as "is_cleared!",
  extract(epoch from clock_timestamp() - attempted_at)::double precision as age_seconds
from longshore.messages
where team_id = $1
  and message_id = $2
for update
