-- Messages in preview, the oldest first, kept so until the transaction ends. Whatever somebody else has in hand is passed over,
-- so that no two who decide wait for each other.
select m.message_id
from longshore.messages m
where m.team_id = $1
  and m.approval in ('draft', 'preview')
  and m.approval = 'preview'
  and m.state = 'planned'
  and ($2::bigint[] is null or m.message_id = any ($2))
  and ($3::bigint is null or m.campaign_id = $3)
order by m.message_id
limit $4
for update of m skip locked
