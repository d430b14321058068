-- Folds changes of campaigns' figures into their counters, and says how many.
select longshore.fold_campaign_moves($1) as "folded!"
