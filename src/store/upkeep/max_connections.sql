-- How many connections the server allows, less those it keeps for superusers.
select (current_setting('max_connections')::integer - current_setting('superuser_reserved_connections')::integer) as "allowed!"
