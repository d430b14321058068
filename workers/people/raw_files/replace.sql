-- Lets a file point to the object in which some of its records are blank.
select longshore.replace_object($1, $2, $3, $4, $5)::text
