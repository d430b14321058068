-- Lists the migrations this database has had.
select version as "version!", checksum as "checksum!" from longshore.migrations()
