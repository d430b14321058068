-- Gives an endpoint another secret.
insert into longshore.webhook_secrets (team_id, endpoint_id, number, sealed)
values ($1, $2, $3, $4)
