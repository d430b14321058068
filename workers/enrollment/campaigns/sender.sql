-- Why the team can't text from a number, and whether it has numbers at all.
select longshore.sender_fault($1, $2) as fault,
  exists (select from longshore.senders where team_id = $1) as "has_numbers!"
