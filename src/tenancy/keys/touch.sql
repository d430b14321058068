-- Notes that a key was used today.
select queue.touch_key($1)::text
