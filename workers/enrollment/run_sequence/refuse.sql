-- Records messages that can't be written for their lead, with the reason: kept as they were asked for, and never sent.
insert into longshore.messages (team_id, campaign_id, lead_id, step, sender, recipient, body, state, state_reason, ended_at, changed_at)
select $1, $2, r.lead_id, r.step, $3, r.recipient, r.template, 'suppressed', r.reason, $4, $4
from unnest($5::bigint[], $6::smallint[], $7::text[], $8::text[], $9::text[]) as r(lead_id, step, recipient, template, reason)
on conflict (team_id, campaign_id, lead_id, step, variant) do nothing
