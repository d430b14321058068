-- One campaign of the team.
select campaign_id as "id: CampaignId", name, state as "state: State", state_reason, sender, purpose, target_tags, engagement,
  created_at, activated_at, opens_at, changed_at,
  activate_at, recalled_at, cloned_from
from longshore.campaigns
where team_id = $1
  and campaign_id = $2
