-- Sends an endpoint an event that says nothing; null when there is none, or it is disabled.
select longshore.test_webhook($1, $2) as "delivery"
