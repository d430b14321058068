-- Whether messages like those that were approved still wait.
select exists (
  select from longshore.messages m
  where m.team_id = $1
    and m.approval in ('draft', 'preview')
    and m.approval = 'preview'
    and m.state = 'planned'
    and ($2::bigint[] is null or m.message_id = any ($2))
    and ($3::bigint is null or m.campaign_id = $3)
    and ($4::bigint is null or not exists (
      select from longshore.message_texts t where t.team_id = m.team_id and t.message_id = m.message_id and t.text_id > $4))
) as "left!"
