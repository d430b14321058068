-- Opens a plan without letters, and returns its number.
select queue.open_plan($1, $2, $3, $4, $5, $6) as "plan!: PlanId"
