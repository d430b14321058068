-- A campaign's steps in their order, each with its other texts.
select s.step, s.delay_minutes, s.template, s.weight,
  (
    select coalesce(jsonb_agg(jsonb_build_object('variant', v.variant, 'weight', v.weight, 'template', v.template) order by v.variant), '[]')
    from longshore.campaign_variants v
    where v.team_id = s.team_id
      and v.campaign_id = s.campaign_id
      and v.step = s.step
  ) as "variants!: Json<Vec<Variant>>"
from longshore.campaign_steps s
where s.team_id = $1
  and s.campaign_id = $2
order by s.step
