-- The lead, which no opt-out passes until the transaction ends, nor another send to the same person.
select phone, email, state, stopped_at is not null as "stopped!"
from longshore.leads
where team_id = $1
  and lead_id = $2
for no key update
