-- Writes down which local stack made the fleet in this database.
do $$ begin execute format('comment on schema longshore is %L', current_setting('longshore.maker')); end $$
