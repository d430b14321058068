-- Revokes every consent on record for a number.
update longshore.consents
set revoked_at = now()
where team_id = $1
  and phone = $2
  and revoked_at is null
