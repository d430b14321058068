-- Claims jobs for this process under a new fence each chunk; the last row's team is where the next claim goes on.
select
  fence as "fence!", job_id as "job_id!", team_id as "team_id!", kind as "kind!", version as "version!", attempt as "attempt!",
  max_attempts as "max_attempts!", payload as "payload!", correlation_id, created_at as "created_at!",
  claimed_at as "claimed_at!", cancelled as "cancelled!", special as "special!"
from queue.claim($1, $2, $3, $4, $5, $6)
