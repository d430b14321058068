-- One data key of the team, as it is wrapped now.
select number, master_key, born_under, nonce, wrapped
from longshore.data_keys
where team_id = $1 and number = $2
