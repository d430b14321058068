-- Data keys that are not under the wanted key of the keyring, and that this process can open: a chunk, held.
select team_id as "team_id!", number as "number!", master_key as "master_key!", nonce as "nonce!", wrapped as "wrapped!"
from longshore.data_keys_to_rewrap($1, $2, $3, $4, $5)
