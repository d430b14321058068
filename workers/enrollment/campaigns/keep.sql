-- Keeps a campaign as it is until the transaction ends, beside others who do, and says where it stands.
select state as "state: State"
from longshore.campaigns
where team_id = $1
  and campaign_id = $2
for share
