-- Ends a delivery that is not to be made any more, and says why.
update longshore.webhook_deliveries
set state = 'skipped',
    problem = left($3, 500),
    ended_at = now()
where team_id = $1
  and delivery_id = $2
