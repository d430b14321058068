-- Every pause that is not simply a queue's: of a team, of a kind, or where they meet.
select q.name as "queue?", nullif(p.team_id, '00000000-0000-0000-0000-000000000000') as "team_id: TeamId", t.name as "team?",
  nullif(p.kind, '') as kind, p.paused_at, p.paused_by, p.reason
from queue.pauses p
left join queue.queues q on q.id = p.queue_id
left join longshore.teams t on t.team_id = p.team_id
where p.kind <> '' or p.team_id <> '00000000-0000-0000-0000-000000000000'
order by p.paused_at, q.name, t.name, p.kind
