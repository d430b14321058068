-- Takes the fleet out of a database that a local stack made it in.
drop schema if exists queue, longshore cascade
