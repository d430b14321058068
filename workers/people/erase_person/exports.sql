-- What earlier exports wrote of them; with $3 they are forgotten too.
select o as "object!" from longshore.exports_of($1, $2, $3) o
