-- A team's numbers, and how each fares.
select s.phone, s.pool, s.per_second, s.burst, s.daily_segments, s.retired_at,
  x.state, x.state_reason, x.rests_until, case when isfinite(x.day) then x.day else s.created_at::date end as "day!",
  x.segments, x.messages, x.filtered, x.opted_out
from longshore.senders s
join longshore.sender_standing x on x.team_id = s.team_id and x.phone = s.phone
where s.team_id = $1
order by s.pool, s.phone
