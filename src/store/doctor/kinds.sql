-- The kinds that builds have announced, and the version that each has.
select kind as "kind!", version as "version!" from queue.kinds order by kind
