-- Takes a request and enqueues its job; the one under way where the same was asked before.
select request_id as "request!", job_id as "job!: JobId", known as "known!"
from longshore.ask_for_people($1, $2, $3, $4, $5, $6, $7)
