-- The rows of some pages that a request asks for.
select r as "row!" from longshore.rows_of($1, $2, $3, $4, $5) r
