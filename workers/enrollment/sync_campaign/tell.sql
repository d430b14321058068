-- Tells the team's endpoints of a campaign, in this transaction, and says how many hear of it; null: there is none.
select longshore.tell_campaign($1, $2) as told
