-- Keeps what a vendor knows of a lead. A later "nobody" does not take back what was paid for.
insert into longshore.enrichments as known (team_id, lead_id, vendor, facts, job_id)
values ($1, $2, $3, $4, $5)
on conflict (team_id, lead_id, vendor) do update
set facts = coalesce(excluded.facts, known.facts),
    job_id = excluded.job_id,
    looked_up_at = now()
