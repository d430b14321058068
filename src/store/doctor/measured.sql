-- Seconds since the scheduler measured the queues last; null: never.
select extract(epoch from now() - max(measured_at))::double precision as seconds from queue.depths
