-- Drops the oldest partition whose jobs are all over for longer than they are kept; null when none is due.
select dropped, carried from queue.drop_history()
