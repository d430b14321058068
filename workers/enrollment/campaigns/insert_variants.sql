-- Writes the other texts of a campaign's steps.
insert into longshore.campaign_variants (team_id, campaign_id, step, variant, weight, template)
select $1, $2, v.step, v.variant, v.weight, v.template
from unnest($3::smallint[], $4::text[], $5::smallint[], $6::text[]) as v(step, variant, weight, template)
