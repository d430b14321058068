-- Creates a team; no row when the name is taken.
insert into longshore.teams (name) values ($1)
on conflict (name) do nothing
returning team_id
