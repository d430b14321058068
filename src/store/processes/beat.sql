-- Renews a process that is still alive; null expires_at says that it no longer is.
select expires_at, cancelled from queue.beat($1, $2)
