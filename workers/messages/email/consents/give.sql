-- Records that somebody agreed to be written to.
insert into longshore.email_consents (team_id, email, level, method, evidence, captured_at, expires_at)
values ($1, $2, $3, $4, $5, $6, $7)
returning consent_id
