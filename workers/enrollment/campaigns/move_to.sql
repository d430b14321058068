-- Sets a campaign's state; its first activation also says when the first step opens, a schedule when it begins by itself.
update longshore.campaigns c
set state = $3,
    state_reason = null,
    changed_at = $4,
    activate_at = coalesce($5, c.activate_at),
    activated_at = case when $3 = 'active' then coalesce(c.activated_at, $4) else c.activated_at end,
    opens_at = case when $3 = 'active' then coalesce(c.opens_at, $4::timestamptz + make_interval(mins => s.delay_minutes)) else c.opens_at end
from longshore.campaign_steps s
where c.team_id = $1
  and c.campaign_id = $2
  and s.team_id = c.team_id
  and s.campaign_id = c.campaign_id
  and s.step = 1
