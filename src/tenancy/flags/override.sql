-- Switches a flag for one team; null: as the share says.
select longshore.override_flag($1, $2, $3, $4) as "found!"
