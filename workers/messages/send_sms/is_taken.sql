-- Whether the vendor's id belongs to another message of the team.
select exists (
  select from longshore.messages
  where team_id = $1
    and vendor = $2
    and vendor_id = $3
    and message_id <> $4
) as "taken!"
