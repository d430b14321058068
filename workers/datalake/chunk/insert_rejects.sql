-- Keeps the rows of a chunk that can't be loaded, each with its reason.
insert into longshore.rejects (team_id, file_id, record, line, column_name, reason, raw)
select $1, $2, r.record, r.line, r.column_name, r.reason, r.raw
from unnest($3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::text[]) as r(record, line, column_name, reason, raw)
