-- Loads a chunk's leads. A number that the team has already, or that stands twice here, stays as it first came.
-- Sorted, so that two loads that share numbers wait for each other instead of deadlocking.
insert into longshore.leads
  (team_id, file_id, file_row, phone, email, first_name, last_name, company, domain, city, state, zip, tags, engagement)
select $1, $2, r.file_row, r.phone, r.email, r.first_name, r.last_name, r.company, r.domain, r.city, r.state, r.zip,
  string_to_array(r.tags, chr(31)), r.engagement
from unnest($3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[], $11::text[],
  $12::text[], $13::text[], $14::text[])
  as r(file_row, phone, email, first_name, last_name, company, domain, city, state, zip, tags, engagement)
order by r.phone, r.file_row
on conflict (team_id, phone) do nothing
