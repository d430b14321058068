-- Ends a request and gives its receipt.
select longshore.end_request($1, $2, $3, $4) as "receipt!"
