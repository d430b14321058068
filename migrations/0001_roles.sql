-- The roles of the house (DESIGN section 4) and its two schemas.
-- Roles belong to the whole cluster, so creating one that another database already made is not an error.
-- None has a password: an operator gives one (`alter role longshore_api password …`) or trusts the socket.
do $$
declare
  wanted record;
begin
  for wanted in
    select * from (values
      ('longshore_owner',     'nologin'),  -- owns every table; nobody connects as it
      ('longshore_engine',    'nologin'),  -- owns the queue's functions, the only code that crosses teams
      ('longshore_producer',  'nologin'),  -- may enqueue and nothing else: grant it to a platform's own role
      ('longshore_migrator',  'login'),
      ('longshore_api',       'login'),
      ('longshore_worker',    'login'),
      ('longshore_scheduler', 'login'),
      ('longshore_operator',  'login'),    -- the command line: sees all teams, acts through functions
      ('longshore_auditor',   'login')     -- sees all teams, changes nothing
    ) as r(name, login)
  loop
    begin
      execute format('create role %I %s nosuperuser nocreatedb nocreaterole nobypassrls', wanted.name, wanted.login);
    exception when duplicate_object or unique_violation then
      null;
    end;
  end loop;
  for wanted in
    select * from (values
      ('longshore_owner', current_user::text), ('longshore_engine', current_user::text),
      ('longshore_owner', 'longshore_migrator'), ('longshore_engine', 'longshore_migrator'),
      ('longshore_producer', 'longshore_api'), ('longshore_producer', 'longshore_worker'),
      ('longshore_producer', 'longshore_scheduler'), ('longshore_producer', 'longshore_operator')
    ) as g(role, member)
  loop
    begin
      execute format('grant %I to %I', wanted.role, wanted.member);
    exception when internal_error or unique_violation then
      null; -- another database of this cluster is granting the same this very moment
    end;
  end loop;
end $$;

create schema if not exists queue authorization longshore_owner;
create schema if not exists longshore authorization longshore_owner;
alter schema queue owner to longshore_owner;
alter schema longshore owner to longshore_owner;
-- The history of migrations, which is there before the first one runs.
alter table if exists longshore._migrations owner to longshore_owner;
do $$ begin
  if to_regclass('longshore._migrations') is not null then
    comment on table longshore._migrations is 'Which migrations were applied. Not a team''s data.';
  end if;
end $$;
grant usage on schema queue, longshore to longshore_engine, longshore_producer, longshore_api, longshore_worker,
  longshore_scheduler, longshore_operator, longshore_auditor;
-- Functions are closed until one is opened by name.
alter default privileges for role longshore_owner revoke execute on functions from public;
alter default privileges for role longshore_engine revoke execute on functions from public;
-- The engine's functions are created in its own name.
grant create on schema queue to longshore_engine;

set local role longshore_owner;

-- The team this transaction works for; null when none was set, which matches no row.
create function longshore.current_team() returns uuid
language sql stable parallel safe
return nullif(current_setting('app.team_id', true), '')::uuid;
grant execute on function longshore.current_team() to public;

-- Which migrations this database has had: the history itself belongs to the migrator alone.
create function longshore.migrations() returns table (version bigint, checksum bytea)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
  if to_regclass('longshore._migrations') is null then return; end if;
  return query select m.version, m.checksum from longshore._migrations m where m.success order by m.version;
end $$;
grant execute on function longshore.migrations() to longshore_api, longshore_worker, longshore_scheduler, longshore_operator, longshore_auditor;

-- Which functions of migrations/functions are in force: their edition and digest, as the build signed that put them there.
create table longshore._functions (
  only_row boolean primary key default true check (only_row),
  edition integer not null,
  digest text not null,
  signed_at timestamptz not null default now()
);
comment on table longshore._functions is 'Which edition of the functions is in place. Not a team''s data.';
create function longshore.functions(out edition integer, out digest text)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select coalesce(max(f.edition), 0), coalesce(max(f.digest), '') from longshore._functions f
$$;
grant execute on function longshore.functions() to longshore_api, longshore_worker, longshore_scheduler, longshore_operator, longshore_auditor;
create function longshore.sign_functions(edition integer, digest text) returns void
language sql security definer set search_path = pg_catalog, pg_temp as $$
  insert into longshore._functions (edition, digest) values ($1, $2)
  on conflict (only_row) do update set edition = excluded.edition, digest = excluded.digest, signed_at = now()
$$;
grant execute on function longshore.sign_functions(integer, text) to longshore_migrator;

-- Gives a table that holds a team's data its policies: the team sees its own rows, the engine, operators and
-- auditors see all. `team_access` is what a tenant statement may do (for example 'select, insert'); '' is nothing.
create procedure longshore.protect(target regclass, team_access text)
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  execute format('alter table %s enable row level security', target);
  execute format('alter table %s force row level security', target);
  execute format($p$create policy team on %s to longshore_api, longshore_worker, longshore_scheduler, longshore_operator
    using (team_id = (select longshore.current_team())) with check (team_id = (select longshore.current_team()))$p$, target);
  execute format('create policy engine on %s to longshore_engine using (true) with check (true)', target);
  execute format('create policy oversight on %s for select to longshore_operator, longshore_auditor using (true)', target);
  -- The engine erases on request what a table knows of a person or a team (docs/PRIVACY.md), also of tables of tomorrow.
  execute format('grant select, update, delete on %s to longshore_engine', target);
  execute format('grant select on %s to longshore_operator, longshore_auditor', target);
  if team_access <> '' then
    execute format('grant %s on %s to longshore_api, longshore_worker, longshore_scheduler, longshore_operator', team_access, target);
  end if;
end $$;

reset role;
