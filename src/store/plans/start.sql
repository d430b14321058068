-- Lets a plan run, from where it stopped; refused where an approval is missing.
select queue.start_plan($1, $2, $3) as "started"
