-- Copies a campaign's steps to another one.
insert into longshore.campaign_steps (team_id, campaign_id, step, delay_minutes, template, weight)
select s.team_id, $3, s.step, s.delay_minutes, s.template, s.weight
from longshore.campaign_steps s
where s.team_id = $1
  and s.campaign_id = $2
