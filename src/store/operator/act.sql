-- Makes the rest of the transaction the operator's, whoever connected, and lets no statement run for long.
select set_config('role', 'longshore_operator', true) as "role!", set_config('statement_timeout', '30s', true) as "timeout!"
