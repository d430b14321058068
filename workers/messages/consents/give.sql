-- Records that somebody agreed to be texted.
insert into longshore.consents (team_id, phone, purpose, level, method, evidence, captured_at, expires_at)
values ($1, $2, $3, $4, $5, $6, $7, $8)
returning consent_id
