-- Records that the vendor has messages, settles their credits, and completes their jobs, if their leases are still held.
select longshore.record_all_accepted($1, $2, $3, $4, $5, $6)::text
