-- Takes a campaign's schedule away; false when it had none.
select queue.drop_schedule($1, $2) as "dropped!"
