-- The messages of these send keys, in the order asked.
select m.message_id
from unnest($1::bigint[], $2::bigint[], $3::smallint[]) with ordinality as p(campaign_id, lead_id, step, n)
join longshore.messages m
  on m.team_id = longshore.current_team()
  and m.campaign_id = p.campaign_id
  and m.lead_id = p.lead_id
  and m.step = p.step
  and m.variant = 'a'
order by p.n
