-- Lets one at a time make an endpoint for a team, so that the last to look counts all.
select pg_advisory_xact_lock(hashtextextended('webhook endpoints of ' || $1::uuid::text, 0))::text
