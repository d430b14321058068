-- Writes down that the objects of these exports are gone.
select longshore.exports_gone($1, $2, $3)::text
