-- Of these messages those whose step is more than a plain text, with what their leads' records have for them. Each is looked up
-- by its key, whatever the statistics say.
select m.message_id, m.step, l.email, l.first_name, l.last_name, l.company, l.city, l.state, l.zip,
  m.state = 'planned' and not exists (
    select from longshore.message_texts t where t.team_id = $1 and t.message_id = m.message_id
  ) as "is_new!"
from unnest($2::bigint[]) with ordinality as asked(message_id, n)
cross join lateral (
  select *
  from longshore.messages
  where team_id = $1
    and message_id = asked.message_id
    and step = any ($3)
  limit 1
) m
cross join lateral (
  select *
  from longshore.leads
  where team_id = $1
    and lead_id = m.lead_id
  limit 1
) l
order by asked.n
