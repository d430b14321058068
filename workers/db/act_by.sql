-- Puts the rest of the transaction under one team's row-level security, and says who acts in it: the audit log asks.
select set_config('app.team_id', $1, true) as "team!", set_config('app.actor', $2, true) as "actor!"
