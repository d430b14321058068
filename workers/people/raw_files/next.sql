-- The next uploaded file of a team.
select file_id, object_key
from longshore.files
where team_id = $1
  and file_id > $2
order by file_id
limit 1
