-- Every flag, or the one of that name.
select f.name, f.description, f.default_on, f.percent, f.kind, f.updated_at, f.updated_by,
  (select count(*) from longshore.flag_overrides o where o.flag = f.name) as "overrides!"
from longshore.flags f
where $1::text is null or f.name = $1
order by f.name
