-- Functions and views that run with more than their caller's rights, or on names that their caller could bend. No row: none.
select 'definer_path' as "rule!", 'function ' || p.oid::regprocedure as "place!",
  'runs as its owner (security definer) on a search_path that its caller chooses' as "what!",
  format('alter function %s set search_path = pg_catalog, pg_temp', p.oid::regprocedure) as "to_do!"
from pg_proc p join pg_namespace n on n.oid = p.pronamespace
where n.nspname in ('queue', 'longshore') and p.prosecdef and not coalesce('search_path=pg_catalog, pg_temp' = any (p.proconfig), false)
union all
select 'unpinned_path', 'function ' || p.oid::regprocedure, 'has no search_path of its own, and no comment that says why',
  format('alter function %s set search_path = pg_catalog, pg_temp', p.oid::regprocedure)
from pg_proc p join pg_namespace n on n.oid = p.pronamespace
where n.nspname in ('queue', 'longshore') and not p.prosecdef
  -- A body in SQL's own form was resolved when it was written.
  and p.prosqlbody is null and obj_description(p.oid, 'pg_proc') is null
  and not coalesce('search_path=pg_catalog, pg_temp' = any (p.proconfig), false)
union all
select 'definer_view', 'view ' || c.oid::regclass, 'reads with its owner''s rights, past its caller''s policies',
  format('alter view %s set (security_invoker = true)', c.oid::regclass)
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname in ('queue', 'longshore') and c.relkind = 'v'
  and not coalesce(c.reloptions && array['security_invoker=true', 'security_invoker=on', 'security_invoker=1'], false)
order by 2, 1
