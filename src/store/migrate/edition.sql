-- Which functions are in force.
select edition as "edition!", digest as "digest!" from longshore.functions()
