-- Writes down what was done to a key, as the last statement of its transaction.
select longshore.audit($1, $2, $3, $4, null, $5, $6) as "seq!"
