-- Whether the cluster has the local stack's database already.
select exists (select from pg_database where datname = 'longshore') as "exists!"
