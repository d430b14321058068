-- Erases what is theirs alone; or says what must end first, and does nothing.
select waits from longshore.erase_own($1, $2)
