-- The entries of one chain in order, each field as it is hashed.
select team_id as "team_id: TeamId", seq, longshore.audit_moment(at) as "at!", actor, action, target, reason, before::text as before,
  after::text as after, encode(previous, 'hex') as "previous!", encode(hash, 'hex') as "hash!"
from longshore.audit_log
where team_id = $1
order by seq
