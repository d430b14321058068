-- Pauses and completes active campaigns behind a place that are to be, and says where to go on.
select next_team, next_campaign, paused, completed
from longshore.watch_campaigns($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
