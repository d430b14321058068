-- What is set for one lane: a team's, or (null) every team's that has nothing of its own.
select l.weight, l.running_most, l.per_second, l.burst, l.unfinished_most
from queue.lanes l
join queue.queues q on q.id = l.queue_id
where q.name = $1
  and l.team_id = coalesce($2::uuid, '00000000-0000-0000-0000-000000000000')
