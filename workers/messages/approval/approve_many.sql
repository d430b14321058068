-- Approves messages whose rows are held, and keeps the decision about each with the wording that it was about. One that was worded
-- anew since the caller looked ($3) is left.
with worded as (
  select asked.message_id, t.text_id
  from unnest($2::bigint[]) as asked(message_id)
  cross join lateral (
    select x.text_id
    from longshore.message_texts x
    where x.team_id = $1
      and x.message_id = asked.message_id
    order by x.text_id desc
    limit 1
  ) t
  where $3::bigint is null or t.text_id <= $3
), cleared as (
  update longshore.messages m
  set approval = 'approved',
      changed_at = now()
  from worded w
  where m.team_id = $1
    and m.message_id = w.message_id
    and m.approval = 'preview'
    and m.state = 'planned'
  returning m.message_id, m.channel, w.text_id
), decided as (
  insert into longshore.approval_decisions (team_id, message_id, verdict, text_id, decided_by, reason)
  select $1, message_id, 'approve', text_id, $4, btrim($5)
  from cleared
)
select message_id, channel
from cleared
order by message_id
