-- Gives the team a data key; nothing happens where somebody else has just given it one of that number.
insert into longshore.data_keys (team_id, number, master_key, born_under, nonce, wrapped)
values ($1, $2, $3, $3, $4, $5)
on conflict (team_id, number) do nothing
