-- What a message says and by which channel it leaves: texts that a model writes, texts that a person approves, e-mail.
--
-- A message is cleared by `approval`: `none` (nobody need look), `draft` (its text is still being written), `preview` (a
-- person has to look), `approved`, `rejected`. The schema keeps what is not cleared from every vendor, whatever a job does.
set local role longshore_owner;

alter table longshore.messages
  add column channel text not null default 'sms' check (channel in ('sms', 'email', 'voice')),
  add column subject text check (length(subject) between 1 and 200),
  add column approval text not null default 'none' check (approval in ('none', 'draft', 'preview', 'approved', 'rejected')),
  add constraint messages_cleared check (approval in ('none', 'approved') or state in ('planned', 'suppressed')),
  add constraint messages_email_has_subject check ((channel = 'email') = (subject is not null)),
  drop constraint messages_recipient_check,
  add constraint messages_recipient_check check (case
    when recipient = 'erased' then state not in ('planned', 'dispatching', 'unknown')
    when channel = 'email' then recipient ~ '^[^\s@<>",;:]+@[^\s@<>",;:]+$' and length(recipient) <= 254
    else recipient ~ '^\+[1-9][0-9]{6,14}$' end),
  drop constraint messages_sender_check,
  add constraint messages_sender_check check (case
    when channel = 'email' then sender ~ '^[^\s@<>",;:]+@[^\s@<>",;:]+$'
    else sender ~ '^\+[1-9][0-9]{6,14}$' end);
-- What waits for a person, the oldest first. Only where approval is used, so that plain texts pay nothing for it.
create index messages_to_look_at on longshore.messages (team_id, message_id) where approval in ('draft', 'preview');
create index messages_to_look_at_by_campaign on longshore.messages (team_id, campaign_id, message_id) where approval in ('draft', 'preview');

-- What a step is beside its template and its delay. A step without a row is a text message that is sent as it is rendered.
create table longshore.step_contents (
  team_id uuid not null references longshore.teams,
  campaign_id bigint not null,
  step smallint not null check (step between 1 and 3),
  channel text not null default 'sms' check (channel in ('sms', 'email')),
  subject text check (length(subject) between 1 and 200),    -- a template, as the text is
  prompt text check (length(prompt) between 1 and 4000),     -- what a model is told; the step's template stands in where it fails
  approval boolean not null default false,                   -- a person looks at each message first
  changed_at timestamptz not null default now(),
  changed_by text not null check (length(changed_by) <= 200),
  primary key (team_id, campaign_id, step),
  foreign key (team_id, campaign_id) references longshore.campaigns on delete cascade,
  check ((channel = 'email') = (subject is not null))
);
call longshore.protect('longshore.step_contents', 'select, insert, update, delete');
grant select on longshore.step_contents to longshore_engine;

-- Every wording that a message has had: the first is what was planned, the last is what it says. Append-only.
create table longshore.message_texts (
  team_id uuid not null,
  text_id bigint generated always as identity,
  message_id bigint not null,
  source text not null check (source in ('template', 'generated', 'edited')),
  subject text check (length(subject) between 1 and 200),
  body text not null check (length(body) between 1 and 1600),
  written_by text not null check (length(written_by) <= 200), -- `job 12`, `key …`, `operator …`
  note text check (length(note) <= 500),                      -- why the template had to stand in
  model text,
  prompt_tokens integer,
  completion_tokens integer,
  written_at timestamptz not null default now(),
  primary key (team_id, text_id),
  foreign key (team_id, message_id) references longshore.messages
);
create index message_texts_message on longshore.message_texts (team_id, message_id, text_id);
call longshore.protect('longshore.message_texts', 'select, insert');

-- What people decided about messages, and about which wording: for the trail, and for whoever trains on it. Append-only.
create table longshore.approval_decisions (
  team_id uuid not null,
  decision_id bigint generated always as identity,
  message_id bigint not null,
  verdict text not null check (verdict in ('approve', 'reject', 'edit', 'rewrite')),
  text_id bigint not null,                                    -- the wording that was looked at
  new_text_id bigint,                                         -- of an edit: what was put in its place
  decided_by text not null check (length(decided_by) between 1 and 200),
  reason text check (length(reason) between 1 and 500),
  decided_at timestamptz not null default now(),
  primary key (team_id, decision_id),
  foreign key (team_id, message_id) references longshore.messages,
  foreign key (team_id, text_id) references longshore.message_texts,
  foreign key (team_id, new_text_id) references longshore.message_texts,
  check ((verdict = 'edit') = (new_text_id is not null))
);
create index approval_decisions_message on longshore.approval_decisions (team_id, message_id, decision_id);
call longshore.protect('longshore.approval_decisions', 'select, insert');

-- Who asked for a text to be written anew, and when: a person may ask so often an hour. Older rows are taken away by the next ask.
create table longshore.rewrite_requests (
  team_id uuid not null references longshore.teams,
  request_id bigint generated always as identity,
  asked_by text not null check (length(asked_by) between 1 and 200),
  asked_at timestamptz not null default now(),
  primary key (team_id, request_id)
);
create index rewrite_requests_by on longshore.rewrite_requests (team_id, asked_by, asked_at);
call longshore.protect('longshore.rewrite_requests', 'select, insert, delete');

-- From which address a team writes. Only an operator sets it: the mail server would send in anybody's name.
create table longshore.email_senders (
  team_id uuid primary key references longshore.teams,
  address text not null check (address ~ '^[^\s@<>",;:]+@[^\s@<>",;:]+$' and length(address) <= 254),
  name text not null check (length(btrim(name)) between 1 and 80 and name !~ '[\r\n<>"]'),
  reply_to text check (reply_to ~ '^[^\s@<>",;:]+@[^\s@<>",;:]+$' and length(reply_to) <= 254),
  postal text not null check (length(btrim(postal)) between 10 and 300), -- CAN-SPAM: each mail bears the sender's postal address
  changed_at timestamptz not null default now(),
  changed_by text not null check (length(changed_by) <= 200)
);
call longshore.protect('longshore.email_senders', 'select');
grant insert, update on longshore.email_senders to longshore_operator;

-- Addresses that a team may not write to, and why.
create table longshore.email_suppressions (
  team_id uuid not null references longshore.teams,
  email text not null check (email = lower(email) and length(email) between 1 and 254),
  reason text not null check (reason in ('OPT_OUT', 'DNC_REQUEST', 'LEGAL_DNC', 'INVALID_ADDRESS')),
  source text not null check (length(source) <= 200),
  since timestamptz not null default now(),
  primary key (team_id, email, reason)
);
call longshore.protect('longshore.email_suppressions', 'select, insert');

-- Who agreed to be written to, and how that is proven.
create table longshore.email_consents (
  team_id uuid not null references longshore.teams,
  consent_id bigint generated always as identity,
  email text not null check (email = lower(email) and length(email) between 1 and 254),
  level text not null check (level in ('express', 'express_written')),
  method text not null check (length(method) between 1 and 100),
  evidence text check (length(evidence) <= 2000),
  captured_at timestamptz not null,
  expires_at timestamptz,
  revoked_at timestamptz,
  primary key (team_id, consent_id)
);
create index email_consents_email on longshore.email_consents (team_id, email);
call longshore.protect('longshore.email_consents', 'select, insert, update');

-- The way out that stands in each mail. Only a digest of the link is kept; the link itself has 128 random bits.
create table longshore.unsubscribe_links (
  team_id uuid not null,
  message_id bigint not null,
  digest bytea not null check (octet_length(digest) = 32),
  made_at timestamptz not null default now(),
  used_at timestamptz,
  primary key (team_id, message_id),
  foreign key (team_id, message_id) references longshore.messages
);
create unique index unsubscribe_links_digest on longshore.unsubscribe_links (digest);
comment on index longshore.unsubscribe_links_digest is 'Not led by team_id: the link is how the team is found; nobody can guess one.';
call longshore.protect('longshore.unsubscribe_links', 'select, insert, update');

reset role;
