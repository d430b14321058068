-- The first leads of a team, by the order they came in.
select lead_id from longshore.leads where team_id = $1 order by lead_id limit $2
