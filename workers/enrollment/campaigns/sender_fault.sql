-- Why a campaign's texts could not leave: null where they can, or where it sends none.
select longshore.campaign_sender_fault($1, $2) as fault
