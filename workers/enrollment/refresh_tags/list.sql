-- The team's tags as they were counted last, the most used first.
select tag, leads, refreshed_at
from longshore.tags
where team_id = $1
order by leads desc, tag
limit $2
