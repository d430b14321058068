-- Whose a job is.
select team_id as "team: TeamId" from queue.jobs where id = $1
