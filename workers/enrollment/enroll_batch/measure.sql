-- The last lead of the team, and how many up to it match a campaign: where a run ends, and its total.
select coalesce(max(lead_id), 0) as "last_lead!",
  count(*) filter (where (cardinality($2::text[]) = 0 or tags && $2) and engagement = any ($3::text[])) as "matching!"
from longshore.leads
where team_id = $1
