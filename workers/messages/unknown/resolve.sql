-- Records what a person found out of a message of unknown outcome; no row when the team has no such message.
select done as "done!", state as "state!"
from longshore.resolve_message($1, $2, $3, $4)
