-- Wakes jobs that wait for credits which their teams have.
select longshore.credit_wake_all() as "woken!"
