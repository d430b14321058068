-- Activates scheduled campaigns whose time has come, of all teams, and says how many.
select longshore.activate_due_campaigns($1, $2) as "activated!"
