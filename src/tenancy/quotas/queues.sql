-- What a team may have in each queue, its own setting before every team's, and what it has as last measured.
select q.queue as "queue!", q.unfinished_most, q.unfinished, q.measured_at, q.running_most, q.per_second, q.burst, q.weight as "weight!",
  q.own as "own!"
from longshore.quotas($1) q
order by q.queue
