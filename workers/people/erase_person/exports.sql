-- The exports that tell of them, and which have an object.
select export as "export!", written as "written!" from longshore.exports_of($1, $2)
