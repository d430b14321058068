-- Tables that hold a team's data and that row-level security does not hold as it should. No row: the wall stands.
with ours as (
  select c.oid, c.oid::regclass::text as name, c.relkind, c.relispartition, c.relrowsecurity, c.relforcerowsecurity
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where n.nspname in ('queue', 'longshore') and c.relkind in ('r', 'p', 'f', 'm')
    and exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'team_id' and not a.attisdropped)
), tenants as (
  select r.oid from pg_roles r where r.rolname in ('longshore_api', 'longshore_worker', 'longshore_scheduler', 'longshore_producer')
  union all select 0
), policies as (
  select o.name, p.polname, p.polcmd, p.oid, p.polroles && (select array_agg(oid) from tenants) as for_tenants,
    -- For the scheduler alone, reading alone, and with its reason: what finds the due schedules of all teams.
    p.polroles = array(select r.oid from pg_roles r where r.rolname = 'longshore_scheduler') and p.polcmd = 'r'
      and obj_description(p.oid, 'pg_policy') is not null as explained,
    coalesce((
      select bool_and(e ~ '^\(+team_id = \( SELECT longshore\.current_team\(\) AS current_team\)\)( AND .*)?$' and e !~ ' OR ')
      from unnest(array[pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid)]) e where e is not null
    ), false) as by_team
  from ours o join pg_policy p on p.polrelid = o.oid
  where p.polpermissive
)
select 'rls_off' as "rule!", 'table ' || name as "place!", 'holds a team''s data without row-level security' as "what!",
  case when relkind in ('f', 'm') then 'keep such data in a table: no policy can guard this'
    else format('alter table %s enable row level security', name) end as "to_do!"
from ours where not relrowsecurity
union all
select 'rls_not_forced', 'table ' || name, 'does not force row-level security, so that its owner passes',
  format('alter table %s force row level security', name)
from ours where relrowsecurity and not relforcerowsecurity
union all
select 'no_policy', 'table ' || o.name, 'has no policy that shows a team its own rows', format('call longshore.protect(%L, %L)', o.name, 'select')
from ours o
where not o.relispartition and o.relkind in ('r', 'p') and not exists (select from policies p where p.name = o.name and p.for_tenants and p.by_team)
union all
select 'wide_policy', 'table ' || name, format('has the policy %I, which shows tenants more than their own team', polname),
  format('drop policy %I on %s', polname, name)
from policies where for_tenants and not by_team and not explained
order by 2, 1
