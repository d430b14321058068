-- How many leads a campaign would look at now, whether or not something forbids them.
select count(*) as "matching!"
from longshore.campaigns c
join longshore.leads l on l.team_id = c.team_id
  and (cardinality(c.target_tags) = 0 or l.tags && c.target_tags)
  and l.engagement = any (c.engagement)
where c.team_id = $1
  and c.campaign_id = $2
