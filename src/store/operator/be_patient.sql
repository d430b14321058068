-- Lets the rest of the transaction's statements run for an hour.
select set_config('statement_timeout', '1h', true) as "timeout!"
