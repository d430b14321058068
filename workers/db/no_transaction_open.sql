-- True on a clean connection; false where an earlier BEGIN was never ended.
select transaction_timestamp() = statement_timestamp() as "clean!"
