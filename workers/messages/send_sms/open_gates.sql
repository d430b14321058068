-- Holds campaigns, leads and messages until the transaction ends, waiting for whoever has them in hand, and says what the gates of
-- each message ask; no row for what the team does not have.
select message_id as "message_id!", campaign_id as "campaign_id!", lead_id as "lead_id!", state as "state!", sender as "sender!", recipient as "recipient!", body as "body!",
  purpose as "purpose!", looks as "looks!", tries as "tries!", attempted_at, age_seconds, taken as "taken!",
  campaign, lead_stopped, same_number, lead_state, enrollment, suppressed,
  consent_id, consent_level, consent_proven, consent_expires_at, sent_lately, frees_in_seconds,
  from_sender, from_why, from_closed, from_wait_seconds
from longshore.open_gates($1, $2, $3)
