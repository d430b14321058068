-- Writes a campaign's steps, numbered from 1 in the order given.
insert into longshore.campaign_steps (team_id, campaign_id, step, delay_minutes, template, weight)
select $1, $2, s.step::smallint, s.delay_minutes, s.template, s.weight
from unnest($3::integer[], $4::text[], $5::smallint[]) with ordinality as s(delay_minutes, template, weight, step)
