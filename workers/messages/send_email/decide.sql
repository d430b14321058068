-- Keeps the evidence of a decision.
insert into longshore.message_decisions (team_id, message_id, judged_at, verdict, rule, rules_version, inputs)
values ($1, $2, $3, $4, $5, $6, $7)
