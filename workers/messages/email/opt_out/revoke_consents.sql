-- Revokes every consent on record for an address.
update longshore.email_consents
set revoked_at = now()
where team_id = $1
  and email = $2
  and revoked_at is null
