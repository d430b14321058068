-- Publishes a file that is read to its end; the table's own checks refuse counts that do not agree.
update longshore.files
set state = 'loaded',
    published = true,
    loaded_at = now()
where team_id = $1
  and file_id = $2
  and state = 'loading'
  and read_to = bytes
