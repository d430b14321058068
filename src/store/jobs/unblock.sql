-- Looks at every key that has jobs set aside: there may be room since its limit was raised.
select queue.unblock_all() as "unblocked!"
