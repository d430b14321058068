-- One build at a time puts its functions in place.
select pg_advisory_xact_lock(7203444)::text
