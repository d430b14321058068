-- How far watched batches have come, in one question for all who wait.
select team_id as "team!: TeamId", batch_id as "batch!: BatchId", jobs as "jobs!", done as "done!", dead as "dead!", cancelled as "cancelled!",
  sealed as "sealed!", ended as "ended!"
from queue.watch_batches($1, $2)
