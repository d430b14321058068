-- Takes them out of the words of some pages of a table.
select matched as "matched!", "left" as "left!" from longshore.erase_words($1, $2, $3, $4, $5)
