-- What a look at the server tells: its version, its time, its room, and how much of that is taken.
select current_setting('server_version') as "version!", current_setting('server_version_num')::integer as "version_number!",
  current_user::text as "role!", clock_timestamp() as "now!",
  current_setting('max_connections')::integer as "max_connections!",
  current_setting('superuser_reserved_connections')::integer as "reserved!",
  (select count(*) from pg_stat_activity where backend_type = 'client backend') as "connected!",
  current_setting('fsync') = 'on' as "fsync!"
