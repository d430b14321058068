-- Lets due campaigns behind a place begin their runs, and says where to go on.
select next_team, next_campaign, enqueued
from longshore.run_due_sequences($1, $2, $3, $4)
