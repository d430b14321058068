-- Whether a lead is or was enrolled in the campaign.
select exists (
  select from longshore.enrollments
  where team_id = $1
    and campaign_id = $2
) as "has_leads!"
