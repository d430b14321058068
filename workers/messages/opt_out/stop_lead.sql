-- Locks the lead with this number until the transaction ends, and stops it. A lead that was stopped is locked all the same.
update longshore.leads
set stopped_at = coalesce(stopped_at, now())
where team_id = $1
  and phone = $2
