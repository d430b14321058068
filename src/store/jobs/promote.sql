-- Makes due jobs ready, in chunks.
select queue.promote($1) as "promoted!"
