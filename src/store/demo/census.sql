-- Where a team's accepted jobs are; lost are those found nowhere.
select accepted as "accepted!", lost as "lost!", doubled as "doubled!" from queue.census($1)
