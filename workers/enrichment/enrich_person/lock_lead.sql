-- Takes a lead for one lookup at a time, until the transaction ends; no row when the team has no such lead.
select first_name, last_name, email, domain
from longshore.leads
where team_id = $1
  and lead_id = $2
for no key update
