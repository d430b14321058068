-- Takes a campaign for a change of state, after every send and every chunk that is under way with it.
select state as "state: State"
from longshore.campaigns
where team_id = $1
  and campaign_id = $2
for update
