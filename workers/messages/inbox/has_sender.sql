-- Whether a number is registered for the team.
select exists (
  select from longshore.senders
  where team_id = $1
    and phone = $2
) as "has!"
