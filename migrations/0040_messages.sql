-- Messages, and what decides whether one may leave: consent, suppression. One row per send key, ever.
--
-- Who locks what, so that nothing slips between the check and the mark: the gate of a send holds the campaign's row, then
-- the lead's, then the message's. A pause or a stop changes the campaign's row, an opt-out the lead's, both before they
-- touch any message; so each comes wholly before or wholly behind a mark.
set local role longshore_owner;

create table longshore.messages (
  team_id uuid not null references longshore.teams,
  message_id bigint generated always as identity,
  campaign_id bigint not null,
  lead_id bigint not null,
  step smallint not null check (step between 1 and 3),
  variant text not null default 'a' check (variant ~ '^[a-z]$'),
  sender text not null check (sender ~ '^\+[1-9][0-9]{6,14}$'),
  recipient text not null check (recipient ~ '^\+[1-9][0-9]{6,14}$'),
  body text not null check (length(body) between 1 and 1600),
  state text not null default 'planned'
    check (state in ('planned', 'dispatching', 'accepted', 'delivered', 'failed', 'unknown', 'suppressed')),
  state_reason text,
  vendor text,
  vendor_id text,
  vendor_status text,                     -- the furthest one the vendor has reported
  vendor_rank smallint not null default 0, -- how far that is; it only grows
  error_code integer,
  segments integer,
  attempted_at timestamptz,               -- when it was marked for the vendor, by the database's clock
  accepted_at timestamptz,
  ended_at timestamptz,
  looks smallint not null default 0,      -- how often an unknown outcome was looked up in vain
  created_at timestamptz not null default now(),
  changed_at timestamptz not null default now(),
  primary key (team_id, message_id),
  unique (team_id, campaign_id, lead_id, step, variant),
  foreign key (team_id, campaign_id) references longshore.campaigns,
  foreign key (team_id, lead_id) references longshore.leads,
  -- Whoever marks a message also says since when; whoever takes the mark back says so too.
  check ((state in ('dispatching', 'unknown')) <= (attempted_at is not null)),
  check ((state in ('accepted', 'delivered')) <= (accepted_at is not null)),
  check ((state in ('delivered', 'failed', 'suppressed')) = (ended_at is not null))
);
-- One thing at the vendor is one message of ours.
create unique index messages_vendor on longshore.messages (team_id, vendor, vendor_id) where vendor_id is not null;
-- What an opt-out must stop, and how often somebody was texted of late.
create index messages_recipient on longshore.messages (team_id, recipient, attempted_at);
call longshore.protect('longshore.messages', 'select, insert, update');

-- Why a message was let through, put off or stopped: the evidence, written before the vendor is called. Append-only.
create table longshore.message_decisions (
  team_id uuid not null,
  decision_id bigint generated always as identity,
  message_id bigint not null,
  decided_at timestamptz not null default now(),
  judged_at timestamptz not null,         -- the moment it was judged for, by the process's clock
  verdict text not null check (verdict in ('send', 'wait', 'suppress')),
  rule text not null,                     -- the gate that decided
  rules_version text not null,
  inputs jsonb not null,                  -- the facts it decided from; no phone number, no text
  primary key (team_id, decision_id),
  foreign key (team_id, message_id) references longshore.messages
);
create index message_decisions_message on longshore.message_decisions (team_id, message_id);
call longshore.protect('longshore.message_decisions', 'select, insert');

-- What the vendor reported of a message, as it came. Append-only; a report that comes twice is kept once.
create table longshore.message_events (
  team_id uuid not null references longshore.teams,
  event_id bigint generated always as identity,
  message_id bigint,                      -- null: no message of the team has that id
  vendor text not null,
  vendor_id text not null,
  status text not null,
  error_code integer,
  raw jsonb not null,
  received_at timestamptz not null default now(),
  primary key (team_id, event_id),
  foreign key (team_id, message_id) references longshore.messages
);
create unique index message_events_once on longshore.message_events (team_id, vendor, vendor_id, status, coalesce(error_code, 0));
create index message_events_message on longshore.message_events (team_id, message_id);
call longshore.protect('longshore.message_events', 'select, insert');

create table longshore.suppressions (
  team_id uuid not null references longshore.teams,
  phone text not null check (phone ~ '^\+[1-9][0-9]{6,14}$'),
  reason text not null check (reason in ('OPT_OUT', 'DNC_REQUEST', 'LEGAL_DNC', 'WRONG_NUMBER', 'INVALID_NUMBER')),
  source text not null,
  since timestamptz not null default now(),
  lifted_at timestamptz,
  primary key (team_id, phone, reason)
);
call longshore.protect('longshore.suppressions', 'select, insert, update');

create table longshore.consents (
  team_id uuid not null references longshore.teams,
  consent_id bigint generated always as identity,
  phone text not null,
  purpose text not null default 'marketing',
  level text not null check (level in ('express', 'express_written')),
  method text not null,
  evidence text,
  captured_at timestamptz not null,
  expires_at timestamptz,
  revoked_at timestamptz,
  primary key (team_id, consent_id)
);
create index consents_phone on longshore.consents (team_id, phone, purpose);
call longshore.protect('longshore.consents', 'select, insert, update');

-- The numbers a team texts from: how an incoming text finds its team.
create table longshore.senders (
  team_id uuid not null references longshore.teams,
  phone text not null check (phone ~ '^\+[1-9][0-9]{6,14}$'),
  created_at timestamptz not null default now(),
  primary key (team_id, phone)
);
create unique index senders_phone on longshore.senders (phone);
comment on index longshore.senders_phone is 'Not led by team_id: the number is how the team is found.';
call longshore.protect('longshore.senders', 'select');
-- Who holds a number hears what is written to it, a STOP too: no process and no key of a team gives one away.
grant insert on longshore.senders to longshore_operator;

-- Every text that came in. A webhook that is delivered twice is one text.
create table longshore.inbox (
  team_id uuid not null references longshore.teams,
  inbound_id bigint generated always as identity,
  vendor text not null,
  vendor_id text not null,
  sender text not null,                   -- who wrote
  recipient text not null,                -- to which number of ours
  body text not null,
  meaning text not null check (meaning in ('stop', 'start', 'help', 'wrong_number', 'legal', 'other')),
  raw jsonb not null,
  received_at timestamptz not null default now(),
  primary key (team_id, inbound_id),
  unique (team_id, vendor, vendor_id)
);
create index inbox_sender on longshore.inbox (team_id, sender, received_at);
call longshore.protect('longshore.inbox', 'select, insert');

grant select on longshore.teams, longshore.senders, longshore.messages to longshore_engine;

reset role;
set local role longshore_engine;

-- The teams that a text from `writer` to `ours` concerns, before any team is known: the one that the number is registered
-- for, and any that has texted the writer from it. More than one only where teams share a number; then a STOP binds all.
create function queue.teams_of_sender(ours text, writer text) returns setof uuid
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select s.team_id from longshore.senders s where s.phone = ours
  union
  select t.team_id from longshore.teams t
  where exists (select from longshore.messages m where m.team_id = t.team_id and m.recipient = writer and m.sender = ours)
$$;
grant execute on function queue.teams_of_sender(text, text) to longshore_api;

reset role;
