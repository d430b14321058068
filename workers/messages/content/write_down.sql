-- Writes into the audit log what a campaign's steps were said to be, by whoever acts in this transaction; last in it.
select longshore.audit_deed($1, null, 'campaign.content', $2, null, null, $3)::text
