-- Lets what waits for an endpoint come to its end now.
select longshore.hurry_deliveries($1, $2) as "hurried!"
