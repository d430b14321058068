-- Says, for `make_login.sql` in the same transaction, which login to make.
select set_config('longshore.login', $1, true) as login, set_config('longshore.password', $2, true) as password,
  set_config('longshore.role', $3, true) as role
