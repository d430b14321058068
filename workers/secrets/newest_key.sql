-- The data key that the team's new secrets are sealed with.
select number, master_key, born_under, nonce, wrapped
from longshore.data_keys
where team_id = $1
order by number desc
limit 1
