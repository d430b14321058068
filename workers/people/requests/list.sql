-- The newest requests, of one team or of all.
select team_id as "team_id: TeamId", request_id as request, deed, about_team as "about_team: TeamId", job_id as "job: JobId", requested_by,
  requested_at, ended_at, receipt
from longshore.people_requests
where ($1::uuid is null or team_id = $1 or about_team = $1)
  and ($2::bigint is null or request_id = $2)
order by requested_at desc, request_id desc
limit $3
