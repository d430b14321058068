-- Puts stored bytes into the catalogue once; the same bytes, under any name and by any number at once, get the same file.
insert into longshore.files as f (team_id, dataset, sha256, object_key, bytes, original_name)
values ($1, $2, $3, $4, $5, $6)
on conflict (team_id, dataset, sha256) do update set original_name = f.original_name
returning f.file_id, f.object_key, xmax = 0 as "new!"
