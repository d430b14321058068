-- The campaign that was created under a key, and the digest of what was asked for then.
select campaign_id, create_digest
from longshore.campaigns
where team_id = $1
  and create_key = $2
