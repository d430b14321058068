-- Every way in which the books disagree with their entries, in one snapshot; no row when they are sound.
with entries as (
  select e.*, sum(e.amount) over (partition by e.team_id, e.account order by e.entry_id) as running
  from longshore.ledger_entries e
), moved as (
  select team_id, job_id, step, call,
    coalesce(sum(amount) filter (where kind = 'hold' and account = 'held'), 0) as held,
    coalesce(-sum(amount) filter (where kind <> 'hold' and account = 'held'), 0) as left_hold,
    coalesce(sum(amount) filter (where kind = 'capture' and account like 'spent:%'), 0) as spent,
    count(distinct transfer_id) filter (where kind = 'hold') as holds,
    count(distinct transfer_id) filter (where kind = 'capture') as captures,
    count(distinct transfer_id) filter (where kind = 'release') as releases,
    array_agg(distinct account) filter (where account like 'spent:%') as paid
  from longshore.ledger_entries
  where job_id is not null
  group by team_id, job_id, step, call
)
select coalesce(b.team_id, e.team_id) as "team_id!: TeamId",
  format('account %s stands at %s, its entries sum to %s', coalesce(b.account, e.account), coalesce(b.balance, 0), coalesce(e.total, 0)) as "what!"
from longshore.credit_accounts b
full join (select team_id, account, sum(amount) as total from longshore.ledger_entries group by team_id, account) e
  on e.team_id = b.team_id and e.account = b.account
where coalesce(b.balance, 0) <> coalesce(e.total, 0)
union all
select team_id, format('transfer %s sums to %s, not to 0', transfer_id, sum(amount))
from longshore.ledger_entries
group by team_id, transfer_id
having sum(amount) <> 0
union all
select team_id, format('account %s stood on the wrong side of zero at entry %s: %s', account, min(entry_id), (array_agg(running order by entry_id))[1])
from entries
where case when account in ('debt', 'granted') then running > 0 else running < 0 end
group by team_id, account
union all
select coalesce(h.team_id, e.team_id), format('open holds come to %s, the entries of account held to %s', coalesce(h.total, 0), coalesce(e.total, 0))
from (select team_id, sum(amount) as total from longshore.credit_holds where state in ('held', 'unknown') group by team_id) h
full join (select team_id, sum(amount) as total from longshore.ledger_entries where account = 'held' group by team_id) e
  on e.team_id = h.team_id
where coalesce(h.total, 0) <> coalesce(e.total, 0)
union all
select coalesce(h.team_id, m.team_id),
  format('call %s of step %s of job_%s is %s at %s of %s, but its entries hold %s, spend %s and give back %s',
    coalesce(h.call, m.call), coalesce(h.step, m.step), coalesce(h.job_id, m.job_id), coalesce(h.state, 'no hold'),
    h.captured, h.amount, coalesce(m.held, 0), coalesce(m.spent, 0), coalesce(m.left_hold - least(m.spent, m.held), 0))
from longshore.credit_holds h
full join moved m on m.team_id = h.team_id and m.job_id = h.job_id and m.step = h.step and m.call = h.call
where h.team_id is null
  or h.amount <> coalesce(m.held, 0)
  or h.captured <> coalesce(m.spent, 0)
  or coalesce(m.left_hold, 0) <> case when h.state in ('captured', 'released') then h.amount else 0 end
  or coalesce(m.holds, 0) > 1 or coalesce(m.captures, 0) > 1 or coalesce(m.releases, 0) > 1
  or m.paid <> array['spent:' || h.vendor]
