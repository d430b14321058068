-- What a plan's open letters may cost each team, beside what that team has available.
select t.name as team, sum(i.price)::bigint as "needs!", coalesce(max(a.balance), 0) as "available!"
from queue.plan_items i
join longshore.teams t on t.team_id = i.team_id
left join longshore.credit_accounts a on a.team_id = i.team_id and a.account = 'available'
where i.plan_id = $1
  and i.result is null
group by t.name
having sum(i.price) > 0
order by t.name
