-- What is known of a person or a team, erased or handed over on request (docs/PRIVACY.md): the requests, their receipts, and
-- what stays so that an erased number is never texted again.
set local role longshore_owner;

-- A request. Whom it is about stands here and not in a job's payload, because payloads are kept; and only until it has ended.
create table longshore.people_requests (
  team_id uuid not null references longshore.teams,  -- whose request: the house's, where a whole team is erased
  request_id bigint generated always as identity,
  deed text not null check (deed in ('erase', 'export')),
  about_team uuid,                                   -- a whole team; else the person that these find:
  phones text[] not null default '{}',
  emails text[] not null default '{}',
  leads bigint[] not null default '{}',
  digests bytea[] not null default '{}',             -- of what was asked for, with the team's key: tells a repeat, names nobody
  job_id bigint,
  requested_by text not null,
  requested_at timestamptz not null default now(),
  started_at timestamptz,
  ended_at timestamptz,
  object_key text,                                   -- what an export wrote, until it is taken away
  counts jsonb not null default '{}',                -- of each table, what became of how many rows
  receipt jsonb,
  primary key (team_id, request_id),
  check (ended_at is null or (phones = '{}' and emails = '{}' and leads = '{}')),
  check ((ended_at is null) = (receipt is null))
);
call longshore.protect('longshore.people_requests', 'select');
create index people_requests_digests on longshore.people_requests using gin (digests);

-- Numbers that were erased, as digests with a key that is their team's alone: a send asks, nobody can read them back.
create table longshore.erased_numbers (
  team_id uuid not null references longshore.teams,
  digest bytea not null check (octet_length(digest) = 32),
  since timestamptz not null default now(),
  primary key (team_id, digest)
);
call longshore.protect('longshore.erased_numbers', '');

-- The keys of those digests. Only the engine's functions read them; with a key go all digests made with it.
create table longshore.erasure_keys (
  team_id uuid primary key references longshore.teams,
  key bytea not null check (octet_length(key) = 32)
);
call longshore.protect('longshore.erasure_keys', '');
revoke select on longshore.erasure_keys, longshore.erased_numbers from longshore_operator, longshore_auditor;

grant insert on longshore.people_requests, longshore.erased_numbers, longshore.erasure_keys to longshore_engine;
-- An erased message keeps its row, for the books, and loses what it said and to whom.
alter table longshore.messages drop constraint messages_recipient_check,
  add constraint messages_recipient_check check (recipient ~ '^\+[1-9][0-9]{6,14}$' or recipient = 'erased' and state not in ('planned', 'dispatching', 'unknown'));

reset role;
