-- Whether a flag is on for the team; null where nobody has defined it.
select longshore.flag_is_on($2, $1)
