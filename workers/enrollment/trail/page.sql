-- What became of the next messages of a campaign behind a place, or of all of one lead, with what was decided and reported of
-- each. The facts of a decision only where one lead is asked for.
select m.lead_id, m.step, m.variant, m.round, m.message_id, m.resend_of, m.state, m.state_reason, m.created_at, m.attempted_at, m.accepted_at,
  m.ended_at, m.vendor, m.vendor_status, m.error_code, m.segments,
  (
    select coalesce(jsonb_agg(jsonb_build_object('at', d.decided_at, 'verdict', d.verdict, 'rule', d.rule,
      'rules_version', d.rules_version, 'inputs', case when $6::bigint is not null then d.inputs end) order by d.decision_id), '[]')
    from longshore.message_decisions d
    where d.team_id = m.team_id
      and d.message_id = m.message_id
  ) as "decisions!: Json<Vec<Decision>>",
  (
    select coalesce(jsonb_agg(jsonb_build_object('at', e.received_at, 'status', e.status, 'error_code', e.error_code) order by e.event_id), '[]')
    from longshore.message_events e
    where e.team_id = m.team_id
      and e.message_id = m.message_id
  ) as "reports!: Json<Vec<Reported>>"
from longshore.messages m
where m.team_id = $1
  and m.campaign_id = $2
  and (m.lead_id, m.step, m.round) > ($3, $4, $5)
  and ($6::bigint is null or m.lead_id = $6)
order by m.lead_id, m.step, m.round
limit $7
