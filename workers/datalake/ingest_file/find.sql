-- A file of the team, and how far it is loaded.
select dataset, sha256, object_key, bytes, resume, published,
  rows_in, rows_loaded, rows_rejected, rows_duplicate, consents, consent_undated, engagement_unknown
from longshore.files
where team_id = $1
  and file_id = $2
