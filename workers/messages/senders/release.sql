-- Lets a number carry texts again that rests or is quarantined; false when it does neither.
select longshore.release_sender($1, $2) as "released!"
