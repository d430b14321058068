-- Writes down that a delivery is sent once more. Last in its transaction: it holds the team's chain.
select longshore.audit_deed($1, null, 'webhook.replay', $2, null, null, $3) as "seq!"
