-- Holds an endpoint until the transaction ends.
select endpoint_id
from longshore.webhook_endpoints
where team_id = $1
  and endpoint_id = $2
for update
