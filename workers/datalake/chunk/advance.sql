-- Moves the place where reading goes on behind a chunk, and adds what the chunk held.
update longshore.files f
set state = 'loading',
    error = null,
    started_at = coalesce(f.started_at, now()),
    read_to = $3,
    resume = $4,
    rows_in = f.rows_in + $5,
    rows_loaded = f.rows_loaded + $6,
    rows_rejected = f.rows_rejected + $7,
    rows_duplicate = f.rows_duplicate + $5 - $6 - $7,
    consents = f.consents + $8,
    consent_undated = f.consent_undated + $9,
    engagement_unknown = f.engagement_unknown + $10
where f.team_id = $1
  and f.file_id = $2
returning f.rows_in, f.rows_loaded, f.rows_rejected, f.rows_duplicate, f.consents, f.consent_undated, f.engagement_unknown
