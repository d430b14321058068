-- Whether a lead of the campaign is still in its sequence, or one of its messages has no end yet.
select exists (
  select from longshore.enrollments
  where team_id = $1
    and campaign_id = $2
    and state = 'running'
) or exists (
  select from longshore.messages
  where team_id = $1
    and campaign_id = $2
    and state in ('planned', 'dispatching', 'unknown')
) as "under_way!"
