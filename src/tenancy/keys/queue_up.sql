-- Lets one at a time make a key for a team, so that the last to look counts all.
select pg_advisory_xact_lock(hashtextextended('keys of ' || $1::uuid::text, 0))::text
