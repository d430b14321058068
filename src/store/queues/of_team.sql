-- Every queue behind `$2` with what this team has in it, as last measured.
select q.name,
  coalesce(max(d.jobs) filter (where d.state = 'ready'), 0) as "ready!",
  coalesce(max(d.jobs) filter (where d.state = 'blocked'), 0) as "blocked!",
  coalesce(max(d.jobs) filter (where d.state = 'scheduled'), 0) as "scheduled!",
  coalesce(max(d.jobs) filter (where d.state = 'parked'), 0) as "parked!",
  coalesce(max(d.jobs) filter (where d.state = 'running'), 0) as "running!",
  coalesce(max(d.jobs) filter (where d.state = 'dead'), 0) as "dead!",
  max(d.oldest_at) filter (where d.state = 'ready') as "oldest_ready_at?"
from queue.queues q
left join queue.lane_depths d on d.queue_id = q.id and d.team_id = $1
where $2::text is null or q.name > $2
group by q.id
order by q.name
limit $3
