-- Keeps an open hold until its call's outcome is known; false when it is settled already.
select longshore.credit_mark_unknown($1, $2, $3, $4) as "open!"
