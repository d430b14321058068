-- A campaign's counters: what was folded, and what was not yet. One statement, so that no fold is seen half.
select step as "step!", variant as "variant!", measure as "measure!", sum(n)::bigint as "n!"
from (
  select step, variant, measure, n from longshore.campaign_counts where team_id = $1 and campaign_id = $2
  union all
  select step, variant, measure, n from longshore.campaign_moves where team_id = $1 and campaign_id = $2
) moved
group by step, variant, measure
order by step, variant, measure
