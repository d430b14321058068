-- Makes the rest of the transaction the operator's, whoever connected, lets no statement run for long, and tells the audit log
-- who acts and why.
select set_config('role', 'longshore_operator', true) as "role!", set_config('statement_timeout', '30s', true) as "timeout!",
  set_config('app.actor', 'operator ' || $1, true) as "actor!", set_config('app.reason', $2, true) as "reason!"
