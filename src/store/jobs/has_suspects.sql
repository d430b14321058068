-- Whether suspects wait in these queues that this build could run.
select queue.has_suspects($1, $2) as "waiting!"
