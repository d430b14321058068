-- The campaign, which does not begin until the transaction ends; how many steps it has, and whether its team can write mails.
select c.state,
  (select count(distinct s.step) from longshore.campaign_steps s
   where s.team_id = c.team_id and s.campaign_id = c.campaign_id) as "steps!",
  exists (select from longshore.email_senders e where e.team_id = c.team_id) as "has_sender!"
from longshore.campaigns c
where c.team_id = $1
  and c.campaign_id = $2
for update of c
