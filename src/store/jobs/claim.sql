-- Claims jobs for this process, a row for each lease; the last row's team is where the next claim goes on.
select
  fence as "fence!", team_id as "team_id!", kind as "kind!", priority as "priority!", attempt as "attempt!",
  claimed_at as "claimed_at!", special as "special!", jobs as "jobs!", versions as "versions!", max_attempts as "max_attempts!",
  payloads as "payloads!: Vec<Payload>", correlation_ids as "correlation_ids!: Vec<Option<String>>", created_ats as "created_ats!",
  cancelled as "cancelled!"
from queue.claim_leases($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
