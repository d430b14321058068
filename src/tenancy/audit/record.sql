-- Writes one deed into the team's chain, or (null) the house's, by whoever acts in this transaction.
select longshore.audit_deed($1, null, $2, $3, $4, $5, $6) as "seq!"
