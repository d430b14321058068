-- Grants one person ($2) one more text within an hour's limit ($3), or says in how many seconds. What is older counts no more and
-- is taken away.
with old as (
  delete from longshore.rewrite_requests
  where team_id = $1
    and asked_by = $2
    and asked_at <= now() - interval '1 hour'
), lately as (
  select count(*) as asked, min(asked_at) as oldest
  from longshore.rewrite_requests
  where team_id = $1
    and asked_by = $2
    and asked_at > now() - interval '1 hour'
), granted as (
  insert into longshore.rewrite_requests (team_id, asked_by)
  select $1, $2
  from lately
  where asked < $3
  returning request_id
)
select (select request_id from granted) as request,
  coalesce(extract(epoch from oldest + interval '1 hour' - now()), 3600)::double precision as "wait_seconds!"
from lately
