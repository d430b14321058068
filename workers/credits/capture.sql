-- Settles a hold, once, at what the vendor charged; what it did not charge goes back.
select outcome as "outcome!", already as "already!", captured as "captured!"
from longshore.credit_capture($1, $2, $3, $4, $5)
