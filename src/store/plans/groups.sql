-- What a plan holds and what became of it, by team and kind; and what became of the jobs that its replays are.
-- Those whose history was dropped since are `forgotten`.
with items as materialized (
  select i.team_id, d.kind, i.price, i.result, i.replayed_as
  from queue.plan_items i
  join queue.dead d on d.job_id = i.job_id and d.team_id = i.team_id
  where i.plan_id = $1
), ends as materialized (
  select o.job_id, o.team_id, max(o.outcome) as outcome
  from queue.outcomes o
  where o.job_id between (select min(replayed_as) from items) and (select max(replayed_as) from items)
    and o.job_id in (select replayed_as from items)
  group by 1, 2
)
select t.name as team, i.kind, count(*) as "letters!", coalesce(sum(i.price) filter (where i.result is null), 0)::bigint as "credits!",
  count(*) filter (where i.result is null) as "left!", count(*) filter (where i.result = 'replayed') as "replayed!",
  count(*) filter (where i.result = 'refused') as "refused!", count(*) filter (where i.result = 'settled') as "settled!",
  count(*) filter (where e.outcome = 1) as "done!", count(*) filter (where e.outcome in (2, 4)) as "dead!",
  count(*) filter (where e.outcome = 3) as "cancelled!",
  count(*) filter (where e.outcome is null and j.id is not null) as "unfinished!",
  count(*) filter (where i.replayed_as is not null and e.outcome is null and j.id is null) as "forgotten!"
from items i
join longshore.teams t on t.team_id = i.team_id
left join ends e on e.job_id = i.replayed_as and e.team_id = i.team_id
left join queue.jobs j on j.id = i.replayed_as and j.team_id = i.team_id
group by t.name, i.kind
order by t.name, i.kind
