-- Every lane for which something is set; a lane that only remembers its rate is none.
select q.name as queue, nullif(l.team_id, '00000000-0000-0000-0000-000000000000') as "team_id: TeamId", t.name as "team?",
  l.weight, l.running_most, l.per_second, l.burst, l.unfinished_most
from queue.lanes l
join queue.queues q on q.id = l.queue_id
left join longshore.teams t on t.team_id = l.team_id
where coalesce(l.weight, l.running_most, l.per_second, l.burst, l.unfinished_most) is not null
order by q.name, l.team_id
