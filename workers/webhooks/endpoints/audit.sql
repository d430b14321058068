-- Writes down what was done to an endpoint, by whoever the transaction says acts. Late in it: it holds the team's chain.
select longshore.audit_deed($1, null, $2, $3, $4, $5, $6) as "seq!"
