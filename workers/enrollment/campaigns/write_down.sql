-- Writes what was done to a campaign into the audit log, by whoever acts in this transaction; last in it.
select longshore.audit_deed($1, null, $2, $3, null, $4, $5)::text
