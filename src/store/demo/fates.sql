-- One lead for each fate that leads met in a team's campaign: the first that met it. A lead that was never enrolled is one too.
select distinct on (fate) fate as "fate!", lead_id as "lead_id!"
from (
  select m.state || case when m.state = 'suppressed' then ' by ' || split_part(coalesce(m.state_reason, 'a rule'), ':', 1) else '' end as fate,
    m.lead_id
  from longshore.messages m
  where m.team_id = $1
    and m.campaign_id = $2
  union all
  select 'waiting for ' || m.state_reason, m.lead_id
  from longshore.messages m
  where m.team_id = $1
    and m.campaign_id = $2
    and m.state = 'planned'
    and m.state_reason is not null
  union all
  (
    select 'skipped', l.lead_id
    from longshore.leads l
    join longshore.campaigns c on c.team_id = l.team_id and c.campaign_id = $2 and l.tags && c.target_tags
    where l.team_id = $1
      and not exists (select from longshore.enrollments e where e.team_id = $1 and e.campaign_id = $2 and e.lead_id = l.lead_id)
    order by l.lead_id
    limit 1
  )
) met
order by fate, lead_id
