-- Announces what this build can run; an older build never takes back what a newer one announced.
select queue.register($1)::text
