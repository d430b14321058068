-- Puts an address on the suppression list.
insert into longshore.email_suppressions (team_id, email, reason, source)
values ($1, $2, $3, $4)
on conflict (team_id, email, reason) do nothing
