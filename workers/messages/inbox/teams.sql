-- The teams that a text from $2 to our number $1 concerns.
select t as "team_id!" from queue.teams_of_sender($1, $2) t
