-- The same from the last count, and when that was; null before the first one. Who has been through the campaign is known from
-- its figures, and counted there although something else may keep it out as well by now.
with chosen as (
  select obstacle, campaign_id, sum(leads)::bigint as leads
  from longshore.audience
  where team_id = $1
    and (cardinality($2::text[]) = 0 or tags && $2)
    and engagement = any ($3::text[])
  group by obstacle, campaign_id
), through as (
  select coalesce(sum(n), 0)::bigint as leads
  from (
    select n from longshore.campaign_counts
    where team_id = $1 and campaign_id = $4 and step = 0 and measure in ('now:completed', 'now:stopped')
    union all
    select n from longshore.campaign_moves
    where team_id = $1 and campaign_id = $4 and step = 0 and measure in ('now:completed', 'now:stopped')
  ) moved
), summed as (
  select coalesce(sum(c.leads), 0)::bigint as total,
    coalesce(sum(c.leads) filter (where c.obstacle = ''), 0)::bigint as free,
    coalesce(sum(c.leads) filter (where c.obstacle = 'no_phone'), 0)::bigint as no_phone,
    coalesce(sum(c.leads) filter (where c.obstacle = 'stopped'), 0)::bigint as stopped,
    coalesce(sum(c.leads) filter (where c.obstacle = 'suppressed'), 0)::bigint as suppressed,
    coalesce(sum(c.leads) filter (where c.obstacle = 'running' and c.campaign_id = $4), 0)::bigint as running_here,
    coalesce(sum(c.leads) filter (where c.obstacle = 'running' and c.campaign_id is distinct from $4), 0)::bigint as running_elsewhere
  from chosen c
)
select s.total as "total!", s.free - least(s.free, t.leads) as "free!", s.no_phone as "no_phone!", s.stopped as "stopped!",
  s.suppressed as "suppressed!", s.running_here + least(s.free, t.leads) as "enrolled_before!",
  s.running_elsewhere as "running_elsewhere!",
  (select a.counted_at from longshore.audience a where a.team_id = $1 limit 1) as counted_at
from summed s cross join through t
