-- Lets new jobs go into a new partition once the newest is full of days; answers whether it did.
select queue.turn_page() as "turned!"
