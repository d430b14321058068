-- The tables that hold a team's data, partitions one by one, with their length.
select place as "place!", pages as "pages!" from longshore.team_tables()
