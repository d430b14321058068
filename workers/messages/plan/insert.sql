-- Plans messages of the transaction's team; a send key that is there already is left as it is.
insert into longshore.messages (team_id, campaign_id, lead_id, step, sender, recipient, body)
select longshore.current_team(), p.campaign_id, p.lead_id, p.step, p.sender, p.recipient, p.body
from unnest($1::bigint[], $2::bigint[], $3::smallint[], $4::text[], $5::text[], $6::text[])
  as p(campaign_id, lead_id, step, sender, recipient, body)
-- One order for all, so that two planners wait for each other instead of deadlocking.
order by p.campaign_id, p.lead_id, p.step
on conflict (team_id, campaign_id, lead_id, step, variant) do nothing
