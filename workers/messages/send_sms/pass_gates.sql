-- Marks messages for the vendor, with the evidence, each unless its number's line or caps, the team's cap or its credits say no.
select message as "message!", closed, wait_seconds, available
from longshore.pass_gates($1, $2, $3, $4, $5, $6, $7, $8, $9)
