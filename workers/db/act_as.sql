-- Puts the open transaction under a team's row-level security, until it ends.
select set_config('app.team_id', $1, true) as "team!"
