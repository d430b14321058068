-- Says, for `make_mark.sql` in the same transaction, which local stack made the fleet in this database.
select set_config('longshore.maker', $1, true)
