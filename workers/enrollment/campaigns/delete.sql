-- Deletes a campaign with its steps and the counters of its runs; the foreign key refuses one that has enrollments.
delete from longshore.campaigns
where team_id = $1
  and campaign_id = $2
