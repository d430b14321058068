-- Reserves credits for one call, once per key; says what there was when there is too little.
select outcome as "outcome!", already as "already!", available as "available!"
from longshore.credit_hold($1, $2, $3, $4, $5, $6)
