-- Notes when a campaign was recalled the first time.
update longshore.campaigns
set recalled_at = coalesce(recalled_at, $3)
where team_id = $1
  and campaign_id = $2
