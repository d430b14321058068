-- The messages of these send keys, in the order asked. Each is looked up by its key: as a plain join, a plan made while the
-- table was small reads all of the team's messages for it.
select m.message_id
from unnest($1::bigint[], $2::bigint[], $3::smallint[]) with ordinality as p(campaign_id, lead_id, step, n)
cross join lateral (
  select message_id
  from longshore.messages
  where team_id = longshore.current_team()
    and campaign_id = p.campaign_id
    and lead_id = p.lead_id
    and step = p.step
    and variant = 'a'
  limit 1
) m
order by p.n
