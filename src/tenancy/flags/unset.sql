-- Takes a flag away, and wakes the jobs that it held back.
select longshore.unset_flag($1) as "found!"
