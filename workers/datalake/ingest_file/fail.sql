-- Marks a file as failed, with the reason for its owner. What is published stays so.
update longshore.files
set state = 'failed',
    error = $3
where team_id = $1
  and file_id = $2
  and not published
