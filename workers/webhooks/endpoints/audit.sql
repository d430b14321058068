-- Writes down what was done to an endpoint, and by whom. Last in its transaction: it holds the team's chain.
select longshore.audit($1, $2, $3, $4, $5, $6, $7) as "seq!"
