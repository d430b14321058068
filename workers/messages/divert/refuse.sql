-- Records that these messages can reach nobody, with the reason.
update longshore.messages m
set state = 'suppressed',
    state_reason = r.reason,
    ended_at = now(),
    changed_at = now()
from unnest($2::bigint[], $3::text[]) as r(message_id, reason)
where m.team_id = $1
  and m.message_id = r.message_id
  and m.state = 'planned'
