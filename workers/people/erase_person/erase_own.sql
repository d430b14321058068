-- Erases what is theirs alone, and says how much there was; or what must end first, and does nothing.
select waits, erased as "erased!" from longshore.erase_own($1, $2)
