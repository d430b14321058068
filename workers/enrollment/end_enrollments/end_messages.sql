-- Ends what waits to be sent among the next messages of a campaign behind a place, for the reason that the gates would give, and
-- says how far it looked; nulls when nothing is there any more.
with chunk as materialized (
  select message_id, lead_id, step, round, state
  from longshore.messages
  where team_id = $1
    and campaign_id = $2
    and (lead_id, step, round) > ($3, $4, $5)
  order by lead_id, step, round
  limit $6
), cancelled as (
  update longshore.messages m
  set state = 'suppressed',
      state_reason = case when c.recalled_at is null then 'campaign_' || c.state else 'campaign_recalled' end,
      ended_at = now(),
      changed_at = now()
  from longshore.campaigns c
  where m.team_id = $1
    and m.message_id = any (array(select message_id from chunk where state = 'planned'))
    and m.state = 'planned'
    and c.team_id = $1
    and c.campaign_id = $2
  returning m.message_id
), last as (
  select lead_id, step, round
  from chunk
  order by lead_id desc, step desc, round desc
  limit 1
)
select (select count(*) from cancelled) as "cancelled!",
  (select lead_id from last) as last_lead,
  (select step from last) as last_step,
  (select round from last) as last_round
