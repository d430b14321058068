-- Every message of a team: to whom, and whether our records say that the vendor took it.
select message_id, recipient, accepted_at is not null as "accepted!" from longshore.messages where team_id = $1
