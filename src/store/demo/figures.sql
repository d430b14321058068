-- What a team's work has come to, each figure counted from the rows themselves.
select
  f.rows_in as "rows_in!", f.rows_loaded as "rows_loaded!", f.rows_rejected as "rows_rejected!",
  f.rows_duplicate as "rows_duplicate!", f.engagement_unknown as "engagement_unknown!", f.unpublished as "files_open!",
  (select count(*) from longshore.leads l where l.team_id = $1) as "leads!",
  (select count(*) from longshore.enrollments e where e.team_id = $1) as "enrolled!",
  m.planned as "planned!", m.waiting as "waiting!", m.underway as "underway!", m.accepted as "accepted!",
  m.unknown as "unknown!", m.suppressed as "suppressed!", m.failed as "failed!",
  (select count(*) from longshore.enrichments e where e.team_id = $1 and e.facts is not null) as "enriched!",
  (select count(*) from queue.jobs j join queue.outcomes o on o.job_id = j.id and o.team_id = j.team_id
    where j.team_id = $1 and j.kind = 'enrich_person' and o.outcome = 1) as "looked_up!",
  (select count(*) from queue.scheduled s where s.team_id = $1 and s.run_at = 'infinity' and s.detail like 'out_of_credit%')
    as "out_of_credit!",
  coalesce((select sum(h.amount - coalesce(h.captured, 0)) from longshore.credit_holds h
    where h.team_id = $1 and h.state in ('captured', 'released') and h.amount > coalesce(h.captured, 0)), 0)::bigint as "released!",
  d.died as "died!", d.open as "dead_open!", d.replayed as "replayed!",
  coalesce((select sum(cardinality(r.jobs)) from queue.ready r where r.team_id = $1), 0)
    + (select count(*) from queue.suspects s where s.team_id = $1)
    + coalesce((select sum(cardinality(l.open)) from queue.leases l where l.team_id = $1), 0)
    + (select count(*) from queue.scheduled s where s.team_id = $1 and s.run_at < now() + interval '3 minutes') as "moving!"
from (
  select coalesce(sum(rows_in), 0)::bigint as rows_in, coalesce(sum(rows_loaded), 0)::bigint as rows_loaded,
    coalesce(sum(rows_rejected), 0)::bigint as rows_rejected, coalesce(sum(rows_duplicate), 0)::bigint as rows_duplicate,
    coalesce(sum(engagement_unknown), 0)::bigint as engagement_unknown, count(*) filter (where not published) as unpublished
  from longshore.files where team_id = $1
) f, (
  select count(*) as planned, count(*) filter (where state = 'planned') as waiting,
    count(*) filter (where state = 'dispatching') as underway, count(*) filter (where accepted_at is not null) as accepted,
    count(*) filter (where state = 'unknown') as unknown, count(*) filter (where state = 'suppressed') as suppressed,
    count(*) filter (where state = 'failed') as failed
  from longshore.messages where team_id = $1
) m, (
  select count(*) as died, count(*) filter (where replayed_at is null and discarded_at is null) as open,
    count(*) filter (where replayed_at is not null) as replayed
  from queue.dead where team_id = $1
) d
