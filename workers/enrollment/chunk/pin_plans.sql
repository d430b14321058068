-- Until it is lifted or the transaction ends: plans by index only. A table that grows by a million rows within one run has
-- statistics from before it, and a plan made for the empty table would read all of it for each chunk.
select set_config(name, $1, true) as "setting!"
from unnest(array['enable_seqscan', 'enable_hashjoin', 'enable_mergejoin']) name
