-- Registers a number for a team, unless some team has it.
insert into longshore.senders (team_id, phone)
values ($1, $2)
on conflict do nothing
