-- Schedules of one team or of all, with the tick each fired last: all, one by its name, or a page behind a name.
select s.name, s.team_id as "team_id: TeamId", t.name as team, s.kind, s.payload, s.cron, s.time_zone, s.missed, s.catch_up_most, s.paused_at, s.paused_reason, s.declared, s.next_due_at,
  last.due_at as "last_due_at?", last.job_id as "last_job?: JobId"
from queue.schedules s
join longshore.teams t on t.team_id = s.team_id
left join lateral (
  select k.due_at, k.job_id from queue.ticks k
  where k.team_id = s.team_id and k.schedule = s.name
  order by k.due_at desc limit 1
) last on true
where ($1::uuid is null or s.team_id = $1)
  and ($2::text is null or s.name = $2)
  and ($3::text is null or s.name collate "C" > $3)
order by t.name, s.name collate "C"
limit $4
