-- What decides about a flag for a team.
select longshore.flag_is_on(f.name, $2) as "on!", o.is_on as "override_on?", longshore.flag_bucket(f.name, $2) as "bucket!", f.percent,
  f.default_on, f.kind
from longshore.flags f
left join longshore.flag_overrides o on o.flag = f.name and o.team_id = $2
where f.name = $1
