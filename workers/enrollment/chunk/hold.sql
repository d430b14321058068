-- Reads a campaign and keeps it from moving until the transaction ends; sends and other chunks go on beside it.
select c.state as "state: State", c.sender, c.target_tags, c.engagement, c.opens_at,
  s.delay_minutes as first_delay_minutes
from longshore.campaigns c
join longshore.campaign_steps s using (team_id, campaign_id)
where c.team_id = $1
  and c.campaign_id = $2
  and s.step = 1
for share of c
