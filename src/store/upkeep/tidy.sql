-- Forgets what is past its time.
select queue.tidy() as "forgotten!"
