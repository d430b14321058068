-- The campaign's state, which no pause, stop or recall changes until the transaction ends.
select state from longshore.campaigns
where team_id = $1
  and campaign_id = $2
for share
