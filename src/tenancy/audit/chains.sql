-- Every chain there is, or one: a chain whose entries are gone is still known by its head, and the other way round.
select team_id as "team_id!" from longshore.audit_heads where $1::uuid is null or team_id = $1
union
(with recursive chains as (
  (select min(l.team_id::text)::uuid as team_id from longshore.audit_log l where $1::uuid is null or l.team_id = $1)
  union all
  select (select l.team_id from longshore.audit_log l where l.team_id > c.team_id and $1::uuid is null order by l.team_id limit 1)
  from chains c where c.team_id is not null
) select team_id from chains where team_id is not null)
order by 1
