-- Says what one step is.
insert into longshore.step_contents (team_id, campaign_id, step, channel, subject, prompt, approval, changed_by)
values ($1, $2, $3, $4, $5, $6, $7, $8)
