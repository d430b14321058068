-- Takes an endpoint away, its secrets with it.
delete from longshore.webhook_endpoints
where team_id = $1
  and endpoint_id = $2
