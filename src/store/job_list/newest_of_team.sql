-- The newest jobs of a team behind `$5`, at the price of a bounded look.
select jobs as "jobs!", reached
from queue.newest_jobs($1, $2, $3, $4, $5, $6)
