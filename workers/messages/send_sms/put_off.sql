-- Notes why a message waits, with the evidence, when the reason is new.
select longshore.put_off($1, $2, $3, $4, $5, $6)::text
