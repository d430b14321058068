-- Begins a new partition once the newest has taken jobs for long enough.
select queue.turn_page() as "turned!"
