-- Records the consents that a chunk proves, each once in however many files it stands.
insert into longshore.consents (team_id, phone, level, method, evidence, captured_at)
select $1, r.phone, r.level, 'file', format('file %s, record %s', $2::bigint, r.file_row), r.captured_at
from unnest($3::bigint[], $4::text[], $5::text[], $6::timestamptz[]) as r(file_row, phone, level, captured_at)
order by r.phone, r.level, r.captured_at, r.file_row
on conflict (team_id, phone, purpose, level, captured_at) where method = 'file' do nothing
