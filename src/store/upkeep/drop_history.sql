-- Drops the oldest partition whose jobs are over for longer than they are kept; no row when there is none.
select dropped as "name!", carried as "carried!" from queue.drop_history() where dropped is not null
