-- Writes a suppression that a person set or lifted into the audit log. What a text, a vendor or a job did is on record in the
-- suppression itself.
select longshore.audit_deed($1, null, $2, $3, null, null, $4)::text
where current_setting('app.actor', true) <> ''
