-- Records messages that can't be written for their lead, with the reason: kept as they were asked for, and never sent.
insert into longshore.messages (team_id, campaign_id, lead_id, step, variant, round, sender, recipient, body, state, state_reason, ended_at, changed_at)
select $1, $2, r.lead_id, r.step, r.variant, r.round, $3, r.recipient, r.template, 'suppressed', r.reason, $4, $4
from unnest($5::bigint[], $6::smallint[], $7::text[], $8::smallint[], $9::text[], $10::text[], $11::text[])
  as r(lead_id, step, variant, round, recipient, template, reason)
order by r.lead_id, r.step
on conflict (team_id, campaign_id, lead_id, step, round) do nothing
