-- How the campaign's messages stand. The vendor may have taken a message that failed later: both are counted.
select count(*) as "planned!",
  count(*) filter (where state = 'planned') as "waiting!",
  count(*) filter (where state = 'dispatching') as "dispatching!",
  count(*) filter (where accepted_at is not null) as "accepted!",
  count(*) filter (where state = 'delivered') as "delivered!",
  count(*) filter (where state = 'failed') as "failed!",
  count(*) filter (where state = 'unknown') as "unknown!",
  count(*) filter (where state = 'suppressed') as "suppressed!"
from longshore.messages
where team_id = $1
  and campaign_id = $2
