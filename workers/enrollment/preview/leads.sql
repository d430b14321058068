-- Some of the leads that match, by id.
select lead_id
from longshore.leads
where team_id = $1
  and (cardinality($2::text[]) = 0 or tags && $2)
  and engagement = any ($3::text[])
order by lead_id
offset $4
limit $5
