-- What makes the role of this connection unfit to serve as `$1` (`longshore_api`, …; empty: as any one process of the house).
-- No row: row-level security holds it, and it may do its own duty and nobody else's.
with me as (
  select r.oid, r.rolname, r.rolsuper, r.rolbypassrls, r.rolcreaterole,
    case when $1 = '' then 'the role of its process (longshore_api, …)' else $1 end as wanted
  from pg_roles r where r.rolname = current_user
), house as (
  select h.oid, h.rolname,
    case
      when h.rolname in ('longshore_owner', 'longshore_engine', 'longshore_migrator') then 'may rewrite what holds the teams apart'
      when h.rolname in ('longshore_operator', 'longshore_auditor') then 'sees every team'
      when h.rolname in ('pg_read_all_data', 'pg_write_all_data') then 'passes by every grant'
      else 'has another process''s duties'
    end as why
  from pg_roles h
  where h.rolname in ('longshore_owner', 'longshore_engine', 'longshore_migrator', 'longshore_api', 'longshore_worker',
    'longshore_scheduler', 'longshore_operator', 'longshore_auditor', 'pg_read_all_data', 'pg_write_all_data')
), found as (
  select 1 as at, 'superuser' as rule, 'is a superuser: row-level security does not hold it' as what from me where rolsuper
  union all
  select 2, 'bypasses_rls', 'has BYPASSRLS: row-level security does not hold it' from me where rolbypassrls and not rolsuper
  union all
  select 3, 'owns_tables', format('owns %s (%s tables of the house): an owner can switch row-level security off', min(c.oid::regclass::text), count(*))
  from me join pg_class c on c.relowner = me.oid join pg_namespace n on n.oid = c.relnamespace
  where n.nspname in ('queue', 'longshore') and c.relkind in ('r', 'p') and not me.rolsuper having count(*) > 0
  union all
  select 4, 'wrong_member', format('may act as %s, which %s', h.rolname, h.why)
  from me join house h on pg_has_role(me.oid, h.oid, 'member')
  where not me.rolsuper and h.oid <> me.oid
    -- Any one duty is right where none is named.
    and case when $1 = '' then h.why not in ('has another process''s duties') and h.rolname <> 'longshore_operator' else h.rolname <> $1 end
  union all
  select 5, 'creates_roles', 'has CREATEROLE, and so may give itself any role' from me where rolcreaterole and not rolsuper
  union all
  select 6, 'not_its_role', format('is no member of %s', case when $1 = '' then 'any process''s role' else $1 end)
  from me
  where not me.rolsuper and not exists (select from pg_class c where c.relowner = me.oid and c.relnamespace::regnamespace::text in ('queue', 'longshore'))
    and not exists (
    select from house h where pg_has_role(me.oid, h.oid, 'member')
      and case when $1 = '' then h.rolname in ('longshore_api', 'longshore_worker', 'longshore_scheduler', 'longshore_operator', 'longshore_auditor') else h.rolname = $1 end)
)
select f.rule as "rule!", 'role ' || me.rolname as "place!", f.what as "what!",
  case f.rule
    when 'not_its_role' then format('grant %s to %I, or put %s into DATABASE_URL', case when $1 = '' then 'one' else $1 end, me.rolname,
      case when $1 = '' then me.wanted else 'that role' end)
    else format('put %s, or a login that is a member of it alone, into DATABASE_URL', me.wanted)
  end as "to_do!"
from found f, me
order by f.at, f.what
