-- Which of these records speak of the person of a request, counted from 0.
with whom as materialized (
  select longshore.person_pattern(phones, emails) as pattern
  from longshore.people_requests
  where team_id = $1
    and request_id = $2
)
select (record.n - 1)::integer as "at!"
from whom, unnest($3::text[]) with ordinality record(words, n)
where record.words ~* whom.pattern
order by record.n
