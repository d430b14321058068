-- Creates a draft; no row when the team has a campaign of that name, or one that was created under that key.
insert into longshore.campaigns (team_id, name, sender, target_tags, engagement, create_key, create_digest, purpose)
values ($1, $2, $3, $4, $5, $6, $7, $8)
on conflict do nothing
returning campaign_id
