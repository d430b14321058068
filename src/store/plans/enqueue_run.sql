-- Gives a plan to the workers; the job that is at it already, where one is.
select job_id as "job!: JobId"
from queue.enqueue($1, $2, jsonb_build_object('plan', $3::text), idempotency_key => $3::text, key_scope => 'unfinished', correlation_id => $4)
