-- Rights that somebody of the house, or everybody, should not have. No row: each has what its duty needs.
with house as (
  select r.oid, r.rolname from pg_roles r where r.rolname like 'longshore\_%'
), rights as (
  select case c.relkind when 'S' then 'sequence' when 'v' then 'view' else 'table' end as kind, c.oid::regclass::text as name,
    c.relowner as owner, c.relispartition as part, g.grantee, g.privilege_type as may, g.is_grantable as handed_on
  from pg_class c join pg_namespace n on n.oid = c.relnamespace, aclexplode(c.relacl) g
  where n.nspname in ('queue', 'longshore') and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
  union all
  select 'table', c.oid::regclass::text, c.relowner, c.relispartition, g.grantee, g.privilege_type, g.is_grantable
  from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_attribute a on a.attrelid = c.oid, aclexplode(a.attacl) g
  where n.nspname in ('queue', 'longshore')
  union all
  select 'function', p.oid::regprocedure::text, p.proowner, false, g.grantee, g.privilege_type, g.is_grantable
  from pg_proc p join pg_namespace n on n.oid = p.pronamespace, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) g
  where n.nspname in ('queue', 'longshore')
  union all
  select 'schema', n.nspname, n.nspowner, false, g.grantee, g.privilege_type, g.is_grantable
  from pg_namespace n, aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) g
  where n.nspname in ('queue', 'longshore')
), given as (
  select r.*, coalesce(g.rolname, 'PUBLIC') as who,
    format('revoke %s on %s%s from %s', r.may, case r.kind when 'table' then '' when 'view' then '' else r.kind || ' ' end, r.name,
      coalesce(g.rolname, 'public')) as undo
  from rights r left join pg_roles g on g.oid = r.grantee
  where r.grantee <> r.owner
)
select 'public_grant' as "rule!", kind || ' ' || name as "place!", format('gives %s to PUBLIC', may) as "what!", undo as "to_do!"
-- The one thing that is everybody's: which team a transaction is for. Policies ask it in the name of whoever reads.
from given where who = 'PUBLIC' and (kind, name, may) <> ('function', 'longshore.current_team()', 'EXECUTE')
union all
select 'owners_right', kind || ' ' || name, format('gives %s to %s, which is its owner''s alone', may, who), undo
from given where may in ('TRUNCATE', 'REFERENCES', 'TRIGGER', 'MAINTAIN') and who <> 'PUBLIC'
union all
select 'handed_on', kind || ' ' || name, format('lets %s hand on %s', who, may), format('revoke grant option for %s', substr(undo, 8))
from given where handed_on
union all
select 'partition_grant', 'table ' || name, format('is a partition that %s may %s by itself', who, lower(may)), undo from given where part
union all
select 'sequence_grant', 'sequence ' || name, format('gives %s to %s: it tells how much all teams do', may, who), undo
from given where kind = 'sequence' and who not in ('longshore_engine', 'PUBLIC')
  and not (may = 'SELECT' and who in ('longshore_operator', 'longshore_auditor', 'longshore_scheduler'))
  -- One that carries its reason may be drawn from.
  and not (may = 'USAGE' and obj_description(name::regclass, 'pg_class') is not null)
union all
select 'producer_grant', kind || ' ' || name, format('gives %s to longshore_producer, which acts through functions alone', may), undo
from given where who = 'longshore_producer' and kind in ('table', 'view', 'sequence')
union all
select 'auditor_writes', kind || ' ' || name, format('gives %s to longshore_auditor, which only reads', may), undo
from given where who = 'longshore_auditor' and kind in ('table', 'view', 'sequence') and may <> 'SELECT'
union all
select 'auditor_writes', 'function ' || p.oid::regprocedure, 'may be run by longshore_auditor and may change something',
  format('revoke execute on function %s from longshore_auditor, or make it stable', p.oid::regprocedure)
from pg_proc p join pg_namespace n on n.oid = p.pronamespace join house a on a.rolname = 'longshore_auditor'
where n.nspname in ('queue', 'longshore') and p.provolatile = 'v' and has_function_privilege(a.oid, p.oid, 'execute')
union all
select 'creates_in_schema', 'schema ' || name, format('lets %s create objects', who), undo
from given where kind = 'schema' and may = 'CREATE' and who not in ('longshore_engine', 'PUBLIC')
union all
select 'creates_in_schema', 'schema public', 'lets everybody create objects, which a careless search_path would find', 'revoke create on schema public from public'
from pg_namespace n, aclexplode(n.nspacl) g where n.nspname = 'public' and g.grantee = 0 and g.privilege_type = 'CREATE'
union all
select 'default_leak', format('default privileges of %s', o.rolname),
  format('give %s on new objects to %s', g.privilege_type, coalesce(w.rolname, 'PUBLIC')),
  format('alter default privileges for role %I revoke …', o.rolname)
from pg_default_acl d join house o on o.oid = d.defaclrole, aclexplode(d.defaclacl) g left join pg_roles w on w.oid = g.grantee
where g.grantee <> d.defaclrole
union all
select 'default_open', format('default privileges of %s', o.rolname), 'let everybody run a function until somebody revokes that',
  format('alter default privileges for role %I revoke execute on functions from public', o.rolname)
from house o
where o.rolname in ('longshore_owner', 'longshore_engine')
  and not exists (select from pg_default_acl d where d.defaclrole = o.oid and d.defaclobjtype = 'f' and d.defaclnamespace = 0)
union all
select 'strange_owner', format('%s %s', case c.relkind when 'S' then 'sequence' when 'v' then 'view' else 'table' end, c.oid::regclass),
  format('belongs to %s', pg_get_userbyid(c.relowner)), format('alter table %s owner to longshore_owner', c.oid::regclass)
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname in ('queue', 'longshore') and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S') and pg_get_userbyid(c.relowner) <> 'longshore_owner'
union all
select 'strange_owner', 'function ' || p.oid::regprocedure, format('belongs to %s', pg_get_userbyid(p.proowner)),
  format('alter function %s owner to longshore_engine', p.oid::regprocedure)
from pg_proc p join pg_namespace n on n.oid = p.pronamespace
where n.nspname in ('queue', 'longshore') and pg_get_userbyid(p.proowner) not in ('longshore_owner', 'longshore_engine')
union all
select 'strong_role', 'role ' || r.rolname, 'has SUPERUSER, BYPASSRLS, CREATEROLE, CREATEDB or REPLICATION, and needs none',
  format('alter role %I nosuperuser nobypassrls nocreaterole nocreatedb noreplication', r.rolname)
from pg_roles r join house h on h.oid = r.oid
where r.rolname in ('longshore_owner', 'longshore_engine', 'longshore_producer', 'longshore_migrator', 'longshore_api', 'longshore_worker',
    'longshore_scheduler', 'longshore_operator', 'longshore_auditor')
  and (r.rolsuper or r.rolbypassrls or r.rolcreaterole or r.rolcreatedb or r.rolreplication)
union all
select 'strange_member', 'role ' || m.rolname, format('may act as %s', h.rolname), format('revoke %I from %I', h.rolname, m.rolname)
from house m join house h on h.oid <> m.oid and pg_has_role(m.oid, h.oid, 'member')
where m.rolname in ('longshore_owner', 'longshore_engine', 'longshore_producer', 'longshore_api', 'longshore_worker', 'longshore_scheduler',
    'longshore_operator', 'longshore_auditor')
  and not (h.rolname = 'longshore_producer' and m.rolname in ('longshore_api', 'longshore_worker', 'longshore_scheduler', 'longshore_operator'))
order by 2, 1, 3
