-- Keys and references that lead past the team. No row: every key is led by its team or says why not, every reference too.
with ours as (
  select c.oid, c.oid::regclass::text as name, c.relispartition, a.attnum as team, a.attnotnull,
    obj_description(c.oid, 'pg_class') as comment
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  left join pg_attribute a on a.attrelid = c.oid and a.attname = 'team_id' and not a.attisdropped
  where n.nspname in ('queue', 'longshore') and c.relkind in ('r', 'p')
)
select 'nullable_team' as "rule!", 'table ' || name as "place!", 'has rows that may be of no team' as "what!",
  format('alter table %s alter team_id set not null', name) as "to_do!"
from ours where team is not null and not attnotnull
union all
select 'unexplained_table', 'table ' || name, 'has no team_id, and no comment that says why',
  format('add team_id, or: comment on table %s is %L', name, 'Not a team''s data.')
from ours where team is null and comment is null
union all
select 'global_key', 'index ' || x.indexrelid::regclass, format('is unique across teams in %s: it tells one team what another has', o.name),
  format('lead it by team_id, or give the reason: comment on index %s is …', x.indexrelid::regclass)
from ours o join pg_index x on x.indrelid = o.oid
where o.team is not null and not o.relispartition and x.indisunique
  and not o.team = any (string_to_array(x.indkey::text, ' ')::smallint[]) and obj_description(x.indexrelid, 'pg_class') is null
union all
select 'plain_reference', format('table %s', child.name), format('refers to %s by %I without the team: a row of another team would do', parent.name, f.conname),
  format('make %I a reference by (team_id, …)', f.conname)
from pg_constraint f
join ours child on child.oid = f.conrelid
join ours parent on parent.oid = f.confrelid and parent.team is not null
where f.contype = 'f' and f.conparentid = 0
  and not exists (select from generate_subscripts(f.conkey, 1) k where f.conkey[k] = child.team and f.confkey[k] = parent.team)
order by 2, 1
