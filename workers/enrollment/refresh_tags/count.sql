-- Counts the leads of each tag, forgets the tags that no lead carries any more, and says how many tags there are.
with counted as materialized (
  select tag, count(*) as leads
  from longshore.leads l cross join lateral (select distinct unnest(l.tags) as tag) t
  where l.team_id = $1
  group by tag
), gone as (
  delete from longshore.tags t
  where t.team_id = $1
    and not exists (select from counted c where c.tag = t.tag)
), kept as (
  insert into longshore.tags as t (team_id, tag, leads, refreshed_at)
  select $1, tag, leads, $2 from counted order by tag
  on conflict (team_id, tag) do update
  set leads = excluded.leads,
      refreshed_at = excluded.refreshed_at
)
select count(*) as "tags!"
from counted
