-- Holds the team of a request, for good, and says whether nothing of it runs any more.
select r.about_team as "about!", longshore.stands_still(r.request_id) as "still!"
from longshore.people_requests r
where r.request_id = $1
  and r.team_id = '00000000-0000-0000-0000-000000000001'
