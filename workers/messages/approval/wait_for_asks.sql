-- Waits until nobody else asks in the same name ($1), so that many asks at once are no more than the limit.
select pg_advisory_xact_lock(hashtextextended($1, 0))::text
