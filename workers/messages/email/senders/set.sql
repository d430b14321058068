-- Sets who a team's mails come from.
insert into longshore.email_senders as s (team_id, address, name, reply_to, postal, changed_by)
values ($1, $2, $3, $4, $5, $6)
on conflict (team_id) do update
set address = excluded.address,
    name = excluded.name,
    reply_to = excluded.reply_to,
    postal = excluded.postal,
    changed_at = now(),
    changed_by = excluded.changed_by
