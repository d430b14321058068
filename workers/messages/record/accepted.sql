-- Records that the vendor has a message, settles its credits, and completes the job, if its lease is still held.
select longshore.record_accepted($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)::text
