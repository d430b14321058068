-- Makes every step of a campaign a plain text message.
delete from longshore.step_contents
where team_id = $1
  and campaign_id = $2
