-- Messages, and what decides whether one may leave: consent, suppression. One row per send key, ever.
set local role longshore_owner;

create table longshore.messages (
  team_id uuid not null references longshore.teams,
  message_id bigint generated always as identity,
  campaign_id bigint not null,
  lead_id bigint not null,
  step smallint not null,
  variant text not null default 'a',
  sender text not null,
  recipient text not null,
  body text not null check (length(body) between 1 and 1600),
  state text not null default 'planned'
    check (state in ('planned', 'dispatching', 'accepted', 'delivered', 'failed', 'unknown', 'suppressed')),
  state_reason text,
  vendor text,
  vendor_id text,
  segments integer,
  attempted_at timestamptz,               -- when it was handed to the vendor
  accepted_at timestamptz,
  ended_at timestamptz,
  looks smallint not null default 0,      -- how often an unknown outcome was looked up
  created_at timestamptz not null default now(),
  changed_at timestamptz not null default now(),
  primary key (team_id, message_id),
  unique (team_id, campaign_id, lead_id, step, variant),
  foreign key (team_id, campaign_id) references longshore.campaigns,
  foreign key (team_id, lead_id) references longshore.leads
);
create index messages_vendor on longshore.messages (team_id, vendor_id) where vendor_id is not null;
call longshore.protect('longshore.messages', 'select, insert, update');

-- Why a message was let through, put off or stopped: the evidence, written before the vendor is called. Append-only.
create table longshore.message_decisions (
  team_id uuid not null,
  message_id bigint not null,
  decided_at timestamptz not null default now(),
  verdict text not null check (verdict in ('send', 'wait', 'suppress')),
  rule text not null,                     -- the gate that decided
  rules_version text not null,
  inputs jsonb not null,
  primary key (team_id, message_id, decided_at),
  foreign key (team_id, message_id) references longshore.messages
);
call longshore.protect('longshore.message_decisions', 'select, insert');

create table longshore.suppressions (
  team_id uuid not null references longshore.teams,
  phone text not null,
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

reset role;
