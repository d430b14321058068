-- The first leads that match, as they were counted last: each group knows its first hundred, so the first hundred of all are
-- among them.
select lead as "lead!"
from longshore.audience a
cross join unnest(a.first_leads) lead
where a.team_id = $1
  and (cardinality($2::text[]) = 0 or a.tags && $2)
  and a.engagement = any ($3::text[])
order by lead
offset $4
limit $5
