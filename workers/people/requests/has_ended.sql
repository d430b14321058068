-- Whether a request was carried out; no row where there is none.
select ended_at is not null as "ended!"
from longshore.people_requests
where team_id = $1
  and request_id = $2
