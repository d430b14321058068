-- Hands back jobs whose process no longer renews.
select lost as "lost!", buried as "buried!" from queue.reap($1)
