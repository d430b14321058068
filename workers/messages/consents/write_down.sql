-- Writes into the audit log that a consent was recorded, by whoever acts in this transaction; last in it.
select longshore.audit_deed($1, null, 'consent.give', $2, null, null, $3)::text
