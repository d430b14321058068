-- The ledger: double entry, append-only. Entries are the truth; balances follow them by trigger and can't be written
-- otherwise. What a constraint can forbid, it forbids: nobody has less than nothing available or held.
--
-- Accounts of a team, which sum to zero:
--   available        what may still be reserved
--   held             reserved for calls under way, or whose outcome is unknown
--   spent:<vendor>   what a vendor charged
--   debt             below zero by what vendors charged beyond a hold when nothing was available; the next credits pay it
--   granted          below zero by all that was ever granted: where credits come from
--
-- Lock order: a team's `available` row first, in every function here; so two of them never wait for each other in a
-- circle. It is the team's one hot row: take it last in a transaction, and commit at once.
set local role longshore_owner;

grant create on schema longshore to longshore_engine;

create sequence longshore.credit_transfers as bigint;
grant usage on sequence longshore.credit_transfers to longshore_engine;

create table longshore.credit_accounts (
  team_id uuid not null references longshore.teams,
  account text not null check (account in ('available', 'held', 'debt', 'granted') or account ~ '^spent:[a-z][a-z0-9_]{0,62}$'),
  balance bigint not null default 0,
  primary key (team_id, account),
  constraint credit_accounts_sign check (case when account in ('debt', 'granted') then balance <= 0 else balance >= 0 end)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);
call longshore.protect('longshore.credit_accounts', 'select');
grant select, insert, update on longshore.credit_accounts to longshore_engine;
revoke delete on longshore.credit_accounts from longshore_engine;

create table longshore.credit_holds (
  team_id uuid not null references longshore.teams,
  job_id bigint not null,
  step text not null check (length(step) between 1 and 100),
  call integer not null check (call > 0),            -- which call of that step, counted from 1
  vendor text not null check (vendor ~ '^[a-z][a-z0-9_]{0,62}$'),
  amount bigint not null check (amount between 0 and 1000000000000),
  captured bigint not null default 0 check (captured >= 0),
  state text not null default 'held' check (state in ('held', 'captured', 'released', 'unknown')),
  held_at timestamptz not null default now(),
  expires_at timestamptz not null,
  settled_at timestamptz,
  primary key (team_id, job_id, step, call),         -- so that each is held, captured or released once
  check ((state in ('captured', 'released')) = (settled_at is not null)),
  check (state = 'captured' or captured = 0)
);
create index credit_holds_open on longshore.credit_holds (expires_at) where state in ('held', 'unknown');
call longshore.protect('longshore.credit_holds', 'select');
grant select, insert, update on longshore.credit_holds to longshore_engine;
revoke delete on longshore.credit_holds from longshore_engine;

create table longshore.ledger_entries (
  team_id uuid not null,                             -- a team: each entry has its account, and that its team
  entry_id bigint generated always as identity,      -- grows in the order in which a team's balances moved
  transfer_id bigint not null,
  account text not null,
  amount bigint not null check (amount <> 0),
  kind text not null check (kind in ('grant', 'hold', 'capture', 'release')),
  job_id bigint,                                     -- with step and call: the hold it belongs to
  step text,
  call integer,
  reason text check (length(reason) <= 500),
  posted_by text not null default session_user,
  at timestamptz not null default now(),
  primary key (team_id, entry_id),
  check (num_nulls(job_id, step, call) in (0, 3) and (kind = 'grant') = (job_id is null))
);
call longshore.protect('longshore.ledger_entries', 'select');
grant select, insert on longshore.ledger_entries to longshore_engine;
revoke update, delete on longshore.ledger_entries from longshore_engine;

-- For records that nobody may rewrite, whatever the role.
create function longshore.refuse_change() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  raise exception '%.% is append-only', tg_table_schema, tg_table_name using errcode = 'LS024',
    hint = 'Post a correcting entry instead.';
end $$;
create trigger append_only before update or delete or truncate on longshore.ledger_entries
  for each statement execute function longshore.refuse_change();

reset role;
set local role longshore_engine;

-- Moves the balances by what was just entered, and refuses a transfer that does not sum to zero.
create function longshore.post_entries() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if exists (select from entered group by team_id, transfer_id having sum(amount) <> 0) then
    raise exception 'a transfer does not sum to zero' using errcode = 'LS025', hint = 'Enter both of its sides in one statement.';
  end if;
  insert into longshore.credit_accounts (team_id, account)
  select distinct e.team_id, e.account from entered e order by 1, 2
  on conflict do nothing;
  update longshore.credit_accounts a set balance = a.balance + e.amount
  from (select team_id, account, sum(amount) as amount from entered group by 1, 2) e
  where a.team_id = e.team_id and a.account = e.account;
  return null;
end $$;

grant execute on function longshore.post_entries() to longshore_owner;

-- The one place that writes entries. Sides whose amount is 0 are left out.
create function longshore.credit_post(
  team uuid, entry_kind text, accounts text[], amounts bigint[], job bigint, step text, call integer, reason text
) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  transfer constant bigint := nextval('longshore.credit_transfers');
begin
  insert into longshore.ledger_entries (team_id, transfer_id, account, amount, kind, job_id, step, call, reason)
  select team, transfer, s.account, s.amount, entry_kind, job, credit_post.step, credit_post.call, longshore.audit_words(credit_post.reason)
  from unnest(accounts, amounts) s(account, amount)
  where s.amount <> 0;
end $$;

-- Locks a team's books until the transaction ends. Returns what is available, and what is owed as a number above zero.
create function longshore.credit_lock(team uuid, out available bigint, out owed bigint)
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  perform queue.guard_team(team);
  select a.balance into available from longshore.credit_accounts a where a.team_id = team and a.account = 'available' for update;
  available := coalesce(available, 0);
  select coalesce(-sum(a.balance), 0) into owed from longshore.credit_accounts a where a.team_id = team and a.account = 'debt';
end $$;

-- Wakes parked jobs that are out of credit, as many as could now pay their kind's full price.
create function longshore.credit_wake(team uuid, most integer default 100) returns integer
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  room bigint;
  n integer := 0;
  one record;
begin
  select a.balance into room from longshore.credit_accounts a where a.team_id = team and a.account = 'available';
  for one in
    select s.job_id, coalesce(k.price, 1) as price
    from queue.scheduled s left join queue.kinds k on k.kind = s.kind
    where s.team_id = team and s.run_at = 'infinity' and starts_with(s.detail, 'out_of_credit')
    limit least(most, coalesce(room, 0))
    for update of s skip locked
  loop
    exit when one.price > room;
    update queue.scheduled s set run_at = now() where s.job_id = one.job_id and s.team_id = team;
    room := room - one.price;
    n := n + 1;
  end loop;
  return n;
end $$;

-- Gives a team credits, which pay its debt first, and wakes its jobs that wait for them.
create function longshore.credit_grant(team uuid, amount bigint, reason text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  books record;
begin
  if amount is null or amount not between 1 and 1000000000000 then
    raise exception 'a grant must be 1 to 1000000000000 credits, not %', amount using errcode = 'LS020', detail = 'amount';
  end if;
  perform queue.guard_team(team);
  -- The row to lock, where this is the first grant.
  insert into longshore.credit_accounts (team_id, account) values (team, 'available') on conflict do nothing;
  select * into books from longshore.credit_lock(team);
  perform longshore.credit_post(team, 'grant', array['granted', 'debt', 'available'],
    array[-amount, least(amount, books.owed), greatest(amount - books.owed, 0)], null, null, null, reason);
  perform queue.unpark(team, 'out_of_credit');
  perform longshore.audit_deed(team, null, 'credits.grant', 'credits', coalesce(nullif(current_setting('app.reason', true), ''), reason),
    jsonb_build_object('available', books.available, 'owed', books.owed), jsonb_build_object('granted', amount,
      'available', books.available + greatest(amount - books.owed, 0)));
end $$;

-- Reserves credits for one call of one step of a job, once. `outcome`: held; or insufficient; or, when the key is known
-- already, the state of that hold with `already` true, and nothing moves.
create function longshore.credit_hold(
  team uuid, job bigint, step text, call integer, vendor text, amount bigint, lifetime interval default '24 hours',
  out outcome text, out already boolean, out available bigint
)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  h longshore.credit_holds;
begin
  if amount is null or amount not between 0 and 1000000000000 then
    raise exception 'a hold must be 0 to 1000000000000 credits, not %', amount using errcode = 'LS020', detail = 'amount';
  end if;
  select l.available into credit_hold.available from longshore.credit_lock(team) l;
  select * into h from longshore.credit_holds x
  where x.team_id = team and x.job_id = job and x.step = credit_hold.step and x.call = credit_hold.call;
  already := found;
  if found then
    if (h.vendor, h.amount) is distinct from (vendor, amount) then
      raise exception 'call % of step % of job % is held for % at %, not for % at %', call, step, job, h.amount, h.vendor, amount, vendor
        using errcode = 'LS022', hint = 'A new call takes the next number.';
    end if;
    outcome := h.state;
    return;
  end if;
  if credit_hold.available < amount then
    outcome := 'insufficient';
    return;
  end if;
  insert into longshore.credit_holds (team_id, job_id, step, call, vendor, amount, expires_at)
  values (team, job, step, call, vendor, amount, now() + lifetime);
  perform longshore.credit_post(team, 'hold', array['available', 'held'], array[-amount, amount], job, step, call, null);
  credit_hold.available := credit_hold.available - amount;
  outcome := 'held';
end $$;

-- Ends a hold whose row is locked: the vendor gets what it charged, the team the rest. Beyond the hold the true amount is
-- taken from what is available, and from there on owed: a charge is never hidden, and never below zero elsewhere.
create function longshore.credit_settle(h longshore.credit_holds, available bigint, owed bigint, charged bigint, reason text) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  from_hold constant bigint := least(charged, h.amount);
  from_available constant bigint := least(charged - from_hold, available);
  rest constant bigint := h.amount - from_hold;
begin
  if charged > 0 then
    perform longshore.credit_post(h.team_id, 'capture', array['held', 'available', 'debt', 'spent:' || h.vendor],
      array[-from_hold, -from_available, from_hold + from_available - charged, charged], h.job_id, h.step, h.call, reason);
  end if;
  if rest > 0 then
    perform longshore.credit_post(h.team_id, 'release', array['held', 'debt', 'available'],
      array[-rest, least(rest, owed), greatest(rest - owed, 0)], h.job_id, h.step, h.call, reason);
  end if;
  update longshore.credit_holds x
  set state = case when charged > 0 then 'captured' else 'released' end, captured = charged, settled_at = now()
  where x.team_id = h.team_id and x.job_id = h.job_id and x.step = h.step and x.call = h.call;
  if rest > 0 then perform longshore.credit_wake(h.team_id); end if;
end $$;

-- Settles a hold at what the vendor charged, 0 included, once. `already`: it was settled before, as `outcome` and
-- `captured` say, and nothing moves; but a charge for a hold that was released contradicts the books and is refused.
create function longshore.credit_capture(
  team uuid, job bigint, step text, call integer, amount bigint, reason text default null,
  out outcome text, out already boolean, out captured bigint
)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  books record;
  h longshore.credit_holds;
begin
  if amount is null or amount not between 0 and 1000000000000 then
    raise exception 'a charge must be 0 to 1000000000000 credits, not %', amount using errcode = 'LS020', detail = 'amount';
  end if;
  select * into books from longshore.credit_lock(team);
  select * into h from longshore.credit_holds x
  where x.team_id = team and x.job_id = job and x.step = credit_capture.step and x.call = credit_capture.call for update;
  if not found then
    raise exception 'job % holds no credits for call % of step %', job, call, step using errcode = 'LS021',
      hint = 'Nothing is captured that was not held first.';
  end if;
  already := h.state in ('captured', 'released');
  if h.state = 'released' and amount > 0 then
    raise exception 'call % of step % of job % was released, and can''t be charged %', call, step, job, amount using errcode = 'LS023',
      hint = 'The vendor charged for a call we took for free: hold and capture it under the next call number.';
  end if;
  if not already then
    perform longshore.credit_settle(h, books.available, books.owed, amount, reason);
    h.state := case when amount > 0 then 'captured' else 'released' end;
    h.captured := amount;
  end if;
  outcome := h.state;
  captured := h.captured;
end $$;

-- Marks an open hold as one whose call may have been charged. It stays held until it is settled. False: it was not open.
create function longshore.credit_mark_unknown(team uuid, job bigint, step text, call integer) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform from longshore.credit_lock(team);
  update longshore.credit_holds x set state = 'unknown'
  where x.team_id = team and x.job_id = job and x.step = credit_mark_unknown.step and x.call = credit_mark_unknown.call
    and x.state in ('held', 'unknown');
  return found;
end $$;

-- Captures holds whose time is over, at the full amount: nobody knows that the call was not made. One process at a time;
-- the others return at once. `most` bounds one round.
create function longshore.credit_settle_expired(most integer default 1000, out holds bigint, out credits bigint)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  one record;
  books record;
  h longshore.credit_holds;
begin
  holds := 0;
  credits := 0;
  if not pg_try_advisory_xact_lock(7203442) then return; end if;
  for one in
    select x.* from (
      select o.team_id, o.job_id, o.step, o.call from longshore.credit_holds o
      where o.state in ('held', 'unknown') and o.expires_at <= now() order by o.expires_at limit most
    ) x order by x.team_id, x.job_id, x.step, x.call
  loop
    select * into books from longshore.credit_lock(one.team_id);
    select * into h from longshore.credit_holds x
    where x.team_id = one.team_id and x.job_id = one.job_id and x.step = one.step and x.call = one.call
      and x.state in ('held', 'unknown') for update;
    continue when not found;
    perform longshore.credit_settle(h, books.available, books.owed, h.amount, 'outcome unknown when its time was over: charged in full');
    holds := holds + 1;
    credits := credits + h.amount;
  end loop;
end $$;

-- Wakes, for every team, the jobs that wait for credits it has: what a grant between a refusal and the parking missed.
create function longshore.credit_wake_all() returns integer
language sql security definer set search_path = pg_catalog, pg_temp as $$
  select coalesce(sum(longshore.credit_wake(t.team_id)), 0)::integer
  from (select distinct s.team_id from queue.scheduled s where s.run_at = 'infinity' and starts_with(s.detail, 'out_of_credit')) t
$$;

grant execute on function longshore.credit_grant(uuid, bigint, text) to longshore_operator;
grant execute on function longshore.credit_hold(uuid, bigint, text, integer, text, bigint, interval),
  longshore.credit_capture(uuid, bigint, text, integer, bigint, text),
  longshore.credit_mark_unknown(uuid, bigint, text, integer) to longshore_worker;
grant execute on function longshore.credit_settle_expired(integer), longshore.credit_wake_all() to longshore_scheduler, longshore_operator;

reset role;
set local role longshore_owner;

create trigger moves_balances after insert on longshore.ledger_entries referencing new table as entered
  for each statement execute function longshore.post_entries();

reset role;
