-- The next due steps of a campaign behind a point, kept for this transaction; what another run has in hand is passed over.
-- Walking on behind a point, and not from the start again, keeps a million due steps from being walked a thousand times.
-- Each lead is looked up by its key, whatever the statistics say of a table that was just filled.
select e.lead_id, e.next_step as "step!", e.next_due_at as "due_at!", e.round, l.stopped_at is not null as "stopped!",
  l.phone, l.first_name, l.last_name, l.company, l.city, l.state, l.zip
from longshore.enrollments e
cross join lateral (
  select *
  from longshore.leads
  where team_id = $1
    and lead_id = e.lead_id
  limit 1
) l
where e.team_id = $1
  and e.campaign_id = $2
  and e.state = 'running'
  and e.next_due_at <= $3
  and (e.next_due_at, e.lead_id) > ($4, $5)
order by e.next_due_at, e.lead_id
limit $6
for update of e skip locked
