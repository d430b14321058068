-- Writes into the audit log that a person had an address suppressed, by whoever acts in this transaction; last in it.
select longshore.audit_deed($1, null, 'email.suppress', 'an e-mail address', null, null, $2)::text
