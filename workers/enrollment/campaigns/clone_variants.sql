-- Copies the other texts of a campaign's steps to another one.
insert into longshore.campaign_variants (team_id, campaign_id, step, variant, weight, template)
select v.team_id, $3, v.step, v.variant, v.weight, v.template
from longshore.campaign_variants v
where v.team_id = $1
  and v.campaign_id = $2
