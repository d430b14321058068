-- Stops a plan between two letters; false when it does not run.
select queue.stop_plan($1, $2, $3) as "stopped!"
