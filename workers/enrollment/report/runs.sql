-- What the campaign's enrollment runs did, all together; leads that were enrolled once more are not counted twice.
select coalesce(sum(attempted), 0)::bigint as "attempted!",
  coalesce(sum(enrolled), 0)::bigint as "enrolled!",
  coalesce(sum(no_phone), 0)::bigint as "no_phone!",
  coalesce(sum(stopped), 0)::bigint as "stopped!",
  coalesce(sum(suppressed), 0)::bigint as "suppressed!",
  coalesce(sum(running_elsewhere), 0)::bigint as "running_elsewhere!",
  coalesce(sum(enrolled_before), 0)::bigint as "enrolled_before!",
  coalesce(sum(lost_race), 0)::bigint as "lost_race!",
  coalesce(sum(repeated_chunks), 0)::bigint as "repeated_chunks!",
  coalesce(sum(errors), 0)::bigint as "errors!"
from longshore.enrollment_runs
where team_id = $1
  and campaign_id = $2
  and purpose = 'enroll'
