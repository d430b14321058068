-- When the depths were measured last.
select min(measured_at) as "measured_at?" from queue.depths
