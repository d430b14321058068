-- Takes a place in a named rate, if it comes within the patience; the place is held by whoever asks.
select granted as "granted!", extract(epoch from wait)::double precision as "wait_seconds!"
from queue.permit($1, $2, $3, make_interval(secs => $4))
