-- Adds up what moved in batches and enqueues the job behind each that has ended.
select queue.fold_batches() as "ended!"
