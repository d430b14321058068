-- Holds messages with their campaigns and leads until the transaction ends: those of which nobody else has any in hand.
select longshore.hold_free($1, $2) as "free!"
