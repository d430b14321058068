-- What a campaign's steps are, where they are more than plain text messages.
select step, channel, subject, prompt, approval
from longshore.step_contents
where team_id = $1
  and campaign_id = $2
order by step
