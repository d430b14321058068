-- Keeps a report as it came, once.
insert into longshore.message_events (team_id, message_id, vendor, vendor_id, status, error_code, raw)
values ($1, $2, $3, $4, $5, $6, $7)
on conflict (team_id, vendor, vendor_id, status, coalesce(error_code, 0)) do nothing
