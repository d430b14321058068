-- Measures the depth of each queue; where another process is at it, its figures will do.
select queue.measure()::text
