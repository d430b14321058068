-- Sets a team's setting, if it is at the version that the caller saw ($7; 0: not set; null: however it stands). No row otherwise.
insert into longshore.team_settings as s (team_id, name, value, secret, shown, updated_by)
values ($1, $2, $3, $4, $5, $6)
on conflict (team_id, name) do update
set value = excluded.value, secret = excluded.secret, shown = excluded.shown, updated_by = excluded.updated_by, updated_at = now(),
  version = nextval('longshore.setting_versions')
where $7::bigint is null or s.version = $7
returning name, value, shown, version, updated_at, updated_by
