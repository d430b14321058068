-- Claims one job that is suspected of killing processes, for a process that runs nothing beside it.
select
  fence as "fence!", job_id as "job_id!", team_id as "team_id!", kind as "kind!", version as "version!", attempt as "attempt!",
  max_attempts as "max_attempts!", payload as "payload!: Payload", correlation_id, created_at as "created_at!",
  claimed_at as "claimed_at!", cancelled as "cancelled!", special as "special!"
from queue.claim_suspect($1, $2, $3)
