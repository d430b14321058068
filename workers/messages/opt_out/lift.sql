-- Lifts the opt-out of a number and tells since when it stood; no row when there was none.
update longshore.suppressions
set lifted_at = now()
where team_id = $1
  and phone = $2
  and reason = 'OPT_OUT'
  and lifted_at is null
returning since
