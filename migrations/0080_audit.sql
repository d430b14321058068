-- The audit log: what somebody with power did, one chain of hashes a team (docs/AUDIT.md). Rows are only ever added, by
-- longshore.audit, in the transaction of the deed.
set local role longshore_owner;

create table longshore.audit_log (
  team_id uuid not null,                 -- no foreign key: what was done to a team outlives it
  seq bigint not null check (seq > 0),   -- 1, 2, 3 … in each team, without a gap
  at timestamptz not null,
  actor text not null,
  action text not null check (action ~ '^[a-z][a-z_]{0,49}\.[a-z][a-z_]{0,49}$'),
  target text not null,
  reason text,
  before jsonb,
  after jsonb,
  previous bytea not null check (octet_length(previous) = 32), -- the hash of the entry before; zeros for the first
  hash bytea not null check (octet_length(hash) = 32),
  primary key (team_id, seq)
);
create index audit_log_at on longshore.audit_log (at);
call longshore.protect('longshore.audit_log', 'select');
grant select, insert on longshore.audit_log to longshore_engine;
revoke update, delete on longshore.audit_log from longshore_engine;
-- Not even its owner has these of its own accord; should somebody be given them, the trigger says no all the same.
revoke update, delete, truncate on longshore.audit_log from longshore_owner;
create trigger append_only before update or delete or truncate on longshore.audit_log
  for each statement execute function longshore.refuse_change();
alter table longshore.audit_log enable always trigger append_only;

-- The newest entry of each chain: its row is what writers of a team queue at, and what shows that the newest are missing.
create table longshore.audit_heads (
  team_id uuid primary key,
  seq bigint not null check (seq >= 0),
  hash bytea not null check (octet_length(hash) = 32)
) with (fillfactor = 50);
call longshore.protect('longshore.audit_heads', 'select');
grant select, insert, update on longshore.audit_heads to longshore_engine;
revoke delete on longshore.audit_heads from longshore_engine;

reset role;
