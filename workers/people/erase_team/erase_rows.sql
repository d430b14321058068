-- Deletes a team's rows from some pages of a table; -1 where other rows still need them.
select longshore.erase_rows($1, $2, $3, $4) as "went!"
