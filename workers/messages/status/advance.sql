-- Moves a message as far as the vendor says, never back, and tells the state it was in; no row when nothing moved.
-- A message marked as not sent (planned) moves too: the vendor knows better, and nobody will send it again.
with before as (
  select team_id, message_id, state
  from longshore.messages
  where team_id = $1
    and message_id = $2
    and state in ('planned', 'dispatching', 'unknown', 'accepted')
    and vendor_rank < $6
    and (vendor_id is null or vendor_id = $4)
  for update
)
update longshore.messages m
set state = $7,
    state_reason = $9,
    vendor = $3,
    vendor_id = $4,
    vendor_status = $5,
    vendor_rank = $6,
    error_code = $8,
    accepted_at = coalesce(m.accepted_at, now()),
    ended_at = case when $7 in ('delivered', 'failed') then now() end,
    changed_at = now()
from before b
where m.team_id = b.team_id
  and m.message_id = b.message_id
returning b.state
