-- Marks a message for the vendor, with the evidence, unless the number's line or caps, the team's cap or its credits say no.
select closed, wait_seconds, available
from longshore.pass_gate($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
