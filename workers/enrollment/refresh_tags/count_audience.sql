-- Counts the team's leads by tags, level and what keeps them out, each group with its first hundred, and says how many groups
-- there are.
with running as materialized (
  select lead_id, campaign_id from longshore.enrollments where team_id = $1 and state = 'running'
), suppressed as materialized (
  select distinct phone from longshore.suppressions where team_id = $1 and lifted_at is null
), judged as (
  select l.lead_id, l.engagement, array(select distinct t from unnest(l.tags) t order by t) as tags,
    case
      when l.phone is null then 'no_phone'
      when l.stopped_at is not null then 'stopped'
      when s.phone is not null then 'suppressed'
      when r.lead_id is not null then 'running'
      else ''
    end as obstacle,
    coalesce(r.campaign_id, 0) as campaign_id
  from longshore.leads l
  left join suppressed s on s.phone = l.phone
  left join running r on r.lead_id = l.lead_id
  where l.team_id = $1
), grouped as (
  select engagement, tags, obstacle, case when obstacle = 'running' then campaign_id else 0 end as campaign_id,
    count(*) as leads, (array_agg(lead_id order by lead_id))[1:100] as first_leads
  from judged
  group by 1, 2, 3, 4
), kept as (
  insert into longshore.audience (team_id, group_no, engagement, tags, obstacle, campaign_id, leads, first_leads, counted_at)
  select $1, row_number() over (), engagement, tags, obstacle, campaign_id, leads, first_leads, $2
  from grouped
)
select count(*) as "groups!"
from grouped
