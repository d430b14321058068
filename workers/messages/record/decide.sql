-- Keeps the evidence of a decision.
select longshore.decide($1, $2, $3, $4, $5, $6, $7)::text
