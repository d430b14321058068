-- Every named rate, the shared ones first.
select b.name, nullif(b.team_id, '00000000-0000-0000-0000-000000000000') as "team_id: TeamId", t.name as "team?",
  b.per_second, b.burst
from queue.buckets b
left join longshore.teams t on t.team_id = b.team_id
order by b.team_id, b.name
