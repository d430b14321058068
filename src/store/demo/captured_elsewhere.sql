-- Credits that other teams' lookups were charged since these teams are there.
select coalesce(sum(h.captured), 0)::bigint as "captured!"
from longshore.credit_holds h
where h.team_id <> all($1)
  and h.settled_at >= (select min(t.created_at) from longshore.teams t where t.team_id = any($1))
