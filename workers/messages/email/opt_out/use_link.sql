-- Notes when a link was used first.
update longshore.unsubscribe_links
set used_at = coalesce(used_at, now())
where team_id = $1
  and message_id = $2
