-- Puts a number on the suppression list, or back on it.
insert into longshore.suppressions as s (team_id, phone, reason, source)
values ($1, $2, $3, $4)
on conflict (team_id, phone, reason) do update
set source = case when s.lifted_at is null then s.source else excluded.source end,
    since = case when s.lifted_at is null then s.since else now() end,
    lifted_at = null
