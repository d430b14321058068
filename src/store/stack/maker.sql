-- Whether the database holds a fleet's teams, and the local stack that says it made it.
select to_regclass('longshore.teams') is not null as "fleet!",
  obj_description(to_regnamespace('longshore'), 'pg_namespace') as maker
