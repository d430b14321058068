-- The newest entries that match, of one chain or of all.
select l.team_id as "team_id: TeamId", t.name as "team?", l.seq, l.at, l.actor, l.action, l.target, l.reason, l.before, l.after,
  encode(l.hash, 'hex') as "hash!"
from longshore.audit_log l
left join longshore.teams t on t.team_id = l.team_id
where ($1::uuid is null or l.team_id = $1)
  and ($2::text is null or l.action = $2 or starts_with(l.action, $2 || '.'))
  and ($3::text is null or l.actor = $3)
  and ($4::timestamptz is null or l.at >= $4)
  and ($5::timestamptz is null or l.at < $5)
  and ($6::bigint is null or l.seq < $6)
order by l.at desc, l.team_id, l.seq desc
limit $7
