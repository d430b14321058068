-- Plans messages of the transaction's team and says which are new; a send key that is there already is left as it is, and so is
-- a step that did not fail in a round before.
insert into longshore.messages (team_id, campaign_id, lead_id, step, variant, round, sender, recipient, body)
select longshore.current_team(), p.campaign_id, p.lead_id, p.step, p.variant, p.round, p.sender, p.recipient, p.body
from unnest($1::bigint[], $2::bigint[], $3::smallint[], $4::text[], $5::smallint[], $6::text[], $7::text[], $8::text[])
  as p(campaign_id, lead_id, step, variant, round, sender, recipient, body)
where p.round = 1
  or not exists (
    select from longshore.messages m
    where m.team_id = longshore.current_team()
      and m.campaign_id = p.campaign_id
      and m.lead_id = p.lead_id
      and m.step = p.step
      and m.round < p.round
      and m.state <> 'failed'
    offset 0
  )
-- One order for all, so that two planners wait for each other instead of deadlocking.
order by p.campaign_id, p.lead_id, p.step
on conflict (team_id, campaign_id, lead_id, step, round) do nothing
returning message_id
