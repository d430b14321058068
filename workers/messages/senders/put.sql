-- Registers a number for a team, or changes what is set for it; says which, or that another team has it.
select longshore.put_sender($1, $2, $3, $4, $5, $6, $7) as "done!"
