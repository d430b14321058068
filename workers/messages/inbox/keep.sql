-- Keeps a text that came in, once, with what is answered to it.
insert into longshore.inbox (team_id, vendor, vendor_id, sender, recipient, body, meaning, raw, answer)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
on conflict (team_id, vendor, vendor_id) do nothing
