-- What lies under each key of the keyring: ids and counts.
select master_key as "master_key!", data_keys as "data_keys!", teams as "teams!"
from longshore.keyring_use()
