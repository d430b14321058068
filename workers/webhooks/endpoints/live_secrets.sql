-- The secrets that sign for an endpoint now, as they are sealed, the newest first.
select number, sealed
from longshore.webhook_secrets
where team_id = $1
  and endpoint_id = $2
  and (expires_at is null or expires_at > now())
order by number desc
