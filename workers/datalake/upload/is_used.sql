-- Whether a file of the team lies in this object.
select exists (select from longshore.files where team_id = $1 and object_key = $2) as "used!"
