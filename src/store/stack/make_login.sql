-- A login that may do what a role of the house may, and gives the role itself no password: other fleets on this server
-- use the same roles. Made once; the password is set anew each time.
do $$
declare
  login text := current_setting('longshore.login');
begin
  if not exists (select from pg_roles where rolname = login) then
    execute format('create role %I', login);
  end if;
  execute format('alter role %I login inherit password %L', login, current_setting('longshore.password'));
  execute format('grant %I to %I', current_setting('longshore.role'), login);
end $$
