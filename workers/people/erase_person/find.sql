-- Finds the person of a request, by all that names them.
select phones as "phones!", emails as "emails!" from longshore.find_person($1, $2)
