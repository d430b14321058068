-- Where one chain ends.
select team_id as "team_id: TeamId", seq, encode(hash, 'hex') as "hash!"
from longshore.audit_heads
where team_id = $1
