-- The team and the message that a link belongs to.
select team as "team!", message as "message!"
from longshore.unsubscribe_link($1)
