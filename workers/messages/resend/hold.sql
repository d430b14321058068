-- Keeps the campaign, the lead and the enrollment of a message as they are until the transaction ends, in the order in which everybody takes
-- them (migration 0040); false when the team has no such message.
select longshore.hold_for_resend($1, $2) as "held!"
