-- What the matrix is made with: a row of team one and a row of team two in every table, and a way to try a statement as a
-- role that really connected, with a team set or not, so that nothing of it stays.
create schema matrix;

create function matrix.team(n integer) returns uuid language sql as $$
  select ('00000000-0000-0000-0000-' || lpad('a' || n, 12, '0'))::uuid
$$;

create table matrix.tables as
select c.oid, c.oid::regclass::text as name,
  exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'team_id') as teams,
  c.relispartition as part
from pg_class c join pg_namespace n on n.oid = c.relnamespace
-- Of the ranges of a partitioned table the first stands for all: the others are made by the same lines.
where n.nspname in ('queue', 'longshore') and c.relkind in ('r', 'p') and not (c.relispartition and c.relname ~ '_[1-9][0-9]*$')
  and c.relname not in ('_migrations', '_functions');

create table matrix.columns as
select t.oid, a.attname as name, format_type(a.atttypid, null) as type,
  exists (select from pg_constraint f where f.conrelid = t.oid and f.contype = 'f' and a.attnum = any (f.conkey)) as refers
from matrix.tables t join pg_attribute a on a.attrelid = t.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = '';

-- A value of a column, as a literal: `n` where it says whose row it is or where it refers to.
create function matrix.value(col text, type text, team integer, n integer) returns text language sql as $$
  select case
    when col = 'team_id' then quote_literal(matrix.team(team))
    when col = 'keep' then '30'
    when type like '%[]' then format('array[%s]::%s', matrix.value(col, left(type, -2), team, n), type)
    when type = 'uuid' then quote_literal(matrix.team(n))
    when type in ('smallint', 'integer', 'bigint', 'double precision', 'numeric', 'real') then n::text
    when type = 'boolean' then 'true'
    when type in ('jsonb', 'json') then '''{}'''
    when type = 'jsonpath' then '''$'''
    when type = 'bytea' then format('''\x%s''', lpad(n::text, 2, '0'))
    when type = 'interval' then '''1 hour'''
    when type like 'timestamp%' then format('(timestamptz ''2026-01-01'' + interval ''%s days'')', n)
    when type = 'date' then format('(date ''2026-01-01'' + %s)', n)
    else quote_literal(n)
  end
$$;

-- The same, worked out once.
create table matrix.worked as
select c.oid, c.name, t.team, n.n, matrix.value(c.name, c.type, t.team, n.n) as value
from matrix.columns c, (values (1), (2)) t(team), (values (1), (2), (7), (99)) n(n);
create index on matrix.worked (oid, name);
create table matrix.rights as
select c.oid, c.name, c.refers, r.role, has_column_privilege(r.role, c.oid, c.name, 'insert') as may_insert,
  has_column_privilege(r.role, c.oid, c.name, 'update') as may_update
from matrix.columns c, (select rolname::text as role from pg_roles where rolname like 'longshore\_%') r;
create index on matrix.rights (oid, role);
analyze matrix.worked, matrix.rights;

-- The values of a row of `team`: numbered `n`, what it refers to numbered `parent`; of those columns that the role may insert.
create function matrix.row(t oid, who text, of_team integer, number integer, parent integer, out columns text, out row_values text)
language plpgsql as $$
begin
  select string_agg(quote_ident(r.name), ', '), string_agg(w.value, ', ') into columns, row_values
  from matrix.rights r
  join matrix.worked w on w.oid = t and w.name = r.name and w.team = of_team and w.n = case when r.refers then parent else number end
  where r.oid = t and r.role = who
    and (r.may_insert or not exists (select from matrix.rights m where m.oid = t and m.role = who and m.may_insert));
end $$;

create procedure matrix.seed() language plpgsql as $$
declare
  one record;
  team integer;
  line record;
begin
  -- Whether a value makes sense is not asked here; who may write it is.
  for one in select c.conrelid::regclass as name, c.conname from pg_constraint c join matrix.tables t on t.oid = c.conrelid
    where c.contype = 'c' and c.conparentid = 0 and c.conislocal
  loop
    execute format('alter table %s drop constraint if exists %I', one.name, one.conname);
  end loop;
  set local session_replication_role = replica;
  for one in select * from matrix.tables where not part loop
    for team in 1 .. case when one.teams then 2 else 1 end loop
      select * into line from matrix.row(one.oid, 'longshore_owner', team, team, team);
      execute format('insert into %s (%s) overriding system value values (%s) on conflict do nothing', one.name, line.columns, line.row_values);
    end loop;
  end loop;
  set local session_replication_role = origin;
  insert into queue.queues (id, name) overriding system value values (2, 'two') on conflict do nothing;
end $$;

-- What came of it, in a letter.
create function matrix.letter(code text, message text) returns text language sql as $$
  select case
    when code = 'MX001' then message
    when code = '42501' and message like '%row-level security%' then 'p'
    when code = '42501' then 'd'
    when code = '23503' then 'k'
    when code = '23505' then 'u'
    when code = '23502' then 'n'
    when code = '0A000' then 'x'
    when code in ('LS024', 'LS025') then 'f'
    when code = 'LS007' then 't'
    else 'e'
  end
$$;

-- Tries a statement as a role that connected, and takes all of it back.
create function matrix.try(role text, team text, statement text) returns text language plpgsql as $$
declare
  result text;
begin
  begin
    perform set_config('session_authorization', role, true);
    -- Never set is another thing than set to nothing: whoever asks for it asks first.
    if team is not null then perform set_config('app.team_id', team, true); end if;
    execute statement into result;
    raise exception using errcode = 'MX001', message = coalesce(result, '.');
  exception when others then
    return matrix.letter(sqlstate, sqlerrm);
  end;
end $$;

-- The statement of a cell, about the row of team one. `context` is 1 where that team is set, and 2 otherwise.
create function matrix.statement(t oid, role text, operation text, context integer, parent integer default null) returns text language plpgsql as $$
declare
  one matrix.tables;
  target constant text := quote_literal(matrix.team(1));
  line record;
  changed text;
  key text;
begin
  select * into one from matrix.tables m where m.oid = t;
  select c.name into changed from matrix.rights c where c.oid = t and c.role = statement.role
  order by c.may_update desc, c.name <> 'team_id', c.name limit 1;
  select string_agg(quote_ident(a.attname), ', ') into key from pg_index x, unnest(x.indkey) k join pg_attribute a on a.attrelid = t and a.attnum = k
  where x.indrelid = t and x.indisprimary;
  case operation
    when 'select' then
      if not one.teams then return format('select case when count(*) > 0 then ''s'' else ''.'' end from %s', one.name); end if;
      return format('select case when bool_and(team_id = %1$s) then ''v'' when bool_and(team_id <> %1$s) then ''w'' when count(*) > 0 then ''a'' else ''.'' end from %2$s',
        target, one.name);
    when 'insert' then
      select * into line from matrix.row(t, role, 1, 7, 1);
      return format('insert into %s (%s) overriding system value values (%s) ', one.name, line.columns, line.row_values) || ' returning ''v''';
    when 'update' then
      return format('update %1$s set %2$I = %2$I', one.name, changed) || case when one.teams then ' where team_id = ' || target else '' end;
    when 'delete' then
      return format('delete from %s', one.name) || case when one.teams then ' where team_id = ' || target else '' end;
    when 'upsert' then
      select * into line from matrix.row(t, role, 1, 1, 1);
      return format('insert into %s (%s) overriding system value values (%s) on conflict ', one.name, line.columns, line.row_values)
        || case when key is null then 'do nothing' else format('(%1$s) do update set %2$I = excluded.%2$I', key, changed) end;
    when 'truncate' then
      return format('truncate %s', one.name);
    when 'foreign' then
      select * into line from matrix.row(t, role, context, 7, parent);
      return format('insert into %s (%s) overriding system value values (%s)', one.name, line.columns, line.row_values);
  end case;
end $$;

-- One table: a letter for each team, role and operation. Statements that return nothing say how many rows they changed.
create function matrix.cell(t oid, role text, operation text, team text, context integer) returns text language plpgsql as $$
declare
  other text;
  absent text;
begin
  if operation = 'foreign' then
    if not exists (select from pg_constraint f join matrix.tables p on p.oid = f.confrelid and p.teams
      where f.conrelid = t and f.contype = 'f' and cardinality(f.conkey) > 1) then return '-'; end if;
    other := matrix.try_change(role, team, matrix.statement(t, role, operation, context, 3 - context));
    absent := matrix.try_change(role, team, matrix.statement(t, role, operation, context, 99));
    return case when other = absent then other else '!' end;
  end if;
  if operation = 'select' then return matrix.try(role, team, matrix.statement(t, role, operation, context)); end if;
  return matrix.try_change(role, team, replace(matrix.statement(t, role, operation, context), ' returning ''v''', ''));
end $$;

create function matrix.try_change(role text, team text, statement text) returns text language plpgsql as $$
declare
  n bigint;
begin
  begin
    perform set_config('session_authorization', role, true);
    if team is not null then perform set_config('app.team_id', team, true); end if;
    execute statement;
    get diagnostics n = row_count;
    raise exception using errcode = 'MX001', message = case when n > 0 or statement like 'truncate%' then 'v' else '.' end;
  exception when others then
    return matrix.letter(sqlstate, sqlerrm);
  end;
end $$;

create table matrix.functions as
select p.oid, p.oid::regprocedure::text as name,
  exists (select from unnest(p.proargnames[1:p.pronargs]) a where a in ('team', 'team_id')) as for_team
from pg_proc p join pg_namespace n on n.oid = p.pronamespace
where n.nspname in ('queue', 'longshore') and p.prokind = 'f' and p.prorettype <> 'trigger'::regtype
  and p.oid <> 'longshore.current_team()'::regprocedure;

-- Calls a function for team one, with arguments that make some sense.
create function matrix.call(f oid) returns text language sql as $$
  select format('select case when count(c.r) >= 0 then ''v'' end from (select %s.%I(%s) as r limit 1) c', n.nspname, p.proname, coalesce((
    select string_agg(case
        when a.name in ('team', 'team_id') and a.type = 'uuid' then quote_literal(matrix.team(1)) || '::uuid'
        when (select t.typtype = 'c' from pg_type t where t.oid = a.type_oid) then format('null::%s', a.type)
        else matrix.value('', a.type, 1, 1) || '::' || a.type
      end, ', ' order by a.at)
    from (
      select k.at, p.proargnames[k.at] as name, format_type(k.type, null) as type, k.type as type_oid
      from unnest(p.proargtypes::oid[]) with ordinality k(type, at)
    ) a), ''))
  from pg_proc p join pg_namespace n on n.oid = p.pronamespace where p.oid = f
$$;
