-- A team's books, as its accounts stand.
select
  coalesce(sum(balance) filter (where account = 'available'), 0)::bigint as "available!",
  coalesce(sum(balance) filter (where account = 'held'), 0)::bigint as "held!",
  coalesce(sum(balance) filter (where account like 'spent:%'), 0)::bigint as "spent!",
  coalesce(-sum(balance) filter (where account = 'debt'), 0)::bigint as "owed!",
  coalesce(-sum(balance) filter (where account = 'granted'), 0)::bigint as "granted!"
from longshore.credit_accounts
where team_id = $1
