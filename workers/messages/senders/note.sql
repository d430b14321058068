-- Notes how a number fares, and lays it to rest or takes it out of use where that is called for.
select longshore.note_sender($1, $2, $3, $4, $5, $6, $7)::text
