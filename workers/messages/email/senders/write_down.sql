-- Writes into the audit log who a team's mails come from, by whoever acts in this transaction; last in it.
select longshore.audit_deed($1, null, 'email.sender', 'e-mail sender', null, null, $2)::text
