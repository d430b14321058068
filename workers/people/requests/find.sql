-- Finds the person of a request, and writes down by which numbers and addresses.
select phones as "phones!" from longshore.find_person($1, $2)
