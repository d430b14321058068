-- Locks a file that is read exactly so far; no row when another job has read on.
select file_id from longshore.files
where team_id = $1
  and file_id = $2
  and read_to = $3
  and not published
for update
