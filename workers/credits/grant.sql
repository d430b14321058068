-- Gives a team credits, in this transaction; they pay its debt first, and wake its jobs that wait for them.
select longshore.credit_grant($1, $2, $3)::text
