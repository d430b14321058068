-- Keeps the digest of a mail's way out. One that was made for a try that did not reach the server is replaced.
insert into longshore.unsubscribe_links as l (team_id, message_id, digest)
values ($1, $2, sha256($3))
on conflict (team_id, message_id) do update
set digest = excluded.digest,
    made_at = now()
