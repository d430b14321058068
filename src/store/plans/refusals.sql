-- Why letters of a plan were refused, the most frequent reasons first.
select coalesce(i.reason, '') as "reason!", count(*) as "letters!", min(i.job_id) as "example!: JobId"
from queue.plan_items i
where i.plan_id = $1
  and i.result = 'refused'
group by 1
order by 2 desc, 1
limit 20
