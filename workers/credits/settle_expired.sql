-- Captures, in full, holds that stayed open past their time.
select holds as "holds!", credits as "credits!"
from longshore.credit_settle_expired($1)
