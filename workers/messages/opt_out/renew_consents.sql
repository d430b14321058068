-- Gives anew what an opt-out (since $3) had revoked: START restores that and no more. The old rows stay as they are.
insert into longshore.consents (team_id, phone, purpose, level, method, evidence, captured_at, expires_at)
select distinct on (c.purpose) c.team_id, c.phone, c.purpose, c.level, 'keyword_start', $4, now(), c.expires_at
from longshore.consents c
where c.team_id = $1
  and c.phone = $2
  and c.revoked_at >= $3
order by c.purpose, (c.level = 'express_written') desc, c.consent_id desc
