-- Why a plan's letters died, the most frequent reasons first. Numbers in them are folded, so that alike errors are one line.
select regexp_replace(left(d.error, 200), '[0-9]+', '#', 'g') as "reason!", count(*) as "letters!", min(i.job_id) as "example!: JobId"
from queue.plan_items i
join queue.dead d on d.job_id = i.job_id and d.team_id = i.team_id
where i.plan_id = $1
group by 1
order by 2 desc, 1
limit 20
