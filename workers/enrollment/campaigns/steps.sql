-- A campaign's steps in their order.
select step, delay_minutes, template
from longshore.campaign_steps
where team_id = $1
  and campaign_id = $2
order by step
