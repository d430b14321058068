-- Creates a draft; no row when the team has a campaign of that name.
insert into longshore.campaigns (team_id, name, sender, target_tags, engagement)
values ($1, $2, $3, $4, $5)
on conflict (team_id, name) do nothing
returning campaign_id
