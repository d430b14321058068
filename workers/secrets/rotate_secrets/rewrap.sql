-- Puts a chunk of data keys under another key of the keyring.
select longshore.rewrap_data_keys($1, $2, $3, $4, $5, $6) as "done!"
