-- Writes a decision into the audit log, by whoever acts in this transaction; last in it.
select longshore.audit_deed($1, null, $2, $3, $4, null, $5)::text
