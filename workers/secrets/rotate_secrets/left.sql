-- What is under other keys than the wanted one.
select master_key as "master_key!", data_keys as "data_keys!"
from longshore.keyring_use()
where master_key <> $1
