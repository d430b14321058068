-- Forgets what was settled so many days ago, a bite at a time; returns how many rows went.
select queue.forget_settled($1, $2) as "gone!"
