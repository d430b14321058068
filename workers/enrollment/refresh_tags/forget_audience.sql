-- Forgets what was counted last of the team's leads. In the transaction of the next count, so that whoever reads sees one count
-- or the other; a statement before it, because what one statement deletes still stands in its own way.
delete from longshore.audience
where team_id = $1
