-- Sends a delivery that has ended once more, as the same event; or says why not.
select job, refused
from longshore.replay_delivery($1, $2, $3)
