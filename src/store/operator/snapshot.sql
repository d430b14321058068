-- Lets every statement of the transaction that just began see the same moment.
set transaction isolation level repeatable read read only
