-- Writes down who had a delivery sent once more. Last in its transaction: it holds the team's chain.
select longshore.audit($1, $2, 'webhook.replay', $3, null, null, $4) as "seq!"
