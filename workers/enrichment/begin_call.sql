-- Writes down what is about to be asked of a vendor.
insert into longshore.vendor_intents (team_id, job_id, step, call, vendor, lead_id, request_hash, fence)
values ($1, $2, $3, $4, $5, $6, $7, $8)
