-- What was done for a lead already, by this job and by others. Read behind the lock on the lead: a statement that waits
-- for a lock would answer from before the wait.
select
  exists (
    select from longshore.enrichments e
    where e.team_id = $1 and e.lead_id = $2 and e.vendor = $3 and e.looked_up_at > now() - make_interval(days => $6)
  ) as "fresh!",
  exists (
    select from longshore.vendor_intents i
    where i.team_id = $1 and i.lead_id = $2 and i.vendor = $3 and i.job_id <> $4
      and i.started_at > now() - make_interval(mins => $7)
      and not exists (
        select from longshore.vendor_calls c
        where c.team_id = i.team_id and c.job_id = i.job_id and c.step = i.step and c.call = i.call
      )
  ) as "busy!",
  coalesce(max(i.call), 0) as "calls!",
  max(i.call) filter (where c.call is null) as "unanswered",
  count(*) filter (where c.outcome = 'unknown') as "unknown!"
from longshore.vendor_intents i
left join longshore.vendor_calls c
  on c.team_id = i.team_id and c.job_id = i.job_id and c.step = i.step and c.call = i.call
where i.team_id = $1
  and i.job_id = $4
  and i.step = $5
