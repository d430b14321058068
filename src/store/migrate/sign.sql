-- Says which functions are in force now.
select longshore.sign_functions($1, $2)::text
