-- Makes or changes a flag, all of it, and wakes the jobs that it holds back no more.
select longshore.set_flag($1, $2, $3, $4, $5, $6)::text
