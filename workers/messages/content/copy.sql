-- Gives one campaign's steps what another's are.
insert into longshore.step_contents (team_id, campaign_id, step, channel, subject, prompt, approval, changed_by)
select team_id, $3, step, channel, subject, prompt, approval, changed_by
from longshore.step_contents
where team_id = $1
  and campaign_id = $2
