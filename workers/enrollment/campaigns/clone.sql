-- Makes a draft after another campaign; no row when the team has a campaign of that name.
insert into longshore.campaigns (team_id, name, sender, purpose, target_tags, engagement, cloned_from)
select c.team_id, $3, $4, c.purpose, c.target_tags, c.engagement, c.campaign_id
from longshore.campaigns c
where c.team_id = $1
  and c.campaign_id = $2
on conflict do nothing
returning campaign_id
