-- True on a clean connection; false where an earlier BEGIN was never ended, and where the server has become one that only
-- reads: its open connections stay with it after a failover, while a new one finds the server that writes.
select transaction_timestamp() = statement_timestamp() and current_setting('transaction_read_only') = 'off' as "clean!"
