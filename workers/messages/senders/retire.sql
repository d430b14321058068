-- Takes a number out of use; false when the team has none such in use.
select longshore.retire_sender($1, $2) as "retired!"
