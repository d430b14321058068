-- The numbers that texts leave from: which belong together, how fast and how much each may carry, and how each fares.
--
-- What an operator says of a number (`senders`) is apart from what changes with every text (`sender_standing`), so that an
-- incoming text, which finds its team by the number, never waits for one that leaves.
--
-- Who locks what, behind the campaign, the lead and the message (migration 0040): the number's standing, then the team's
-- credits (migration 0020), then the job's lease. Everything that takes two of these takes them in this order.
set local role longshore_owner;

-- Whoever registers a number can text in its name: an operator, who has seen that it is the team's.
revoke insert on longshore.senders from longshore_api, longshore_worker, longshore_scheduler, longshore_operator;
grant insert on longshore.senders to longshore_engine;
alter table longshore.senders
  add column pool text not null default '' check (length(pool) <= 100),    -- numbers that stand in for each other; '': alone
  add column per_second double precision not null default 1 check (per_second > 0 and per_second <= 10000), -- segments
  add column burst integer not null default 1 check (burst between 1 and 10000),
  add column daily_segments integer check (daily_segments > 0),            -- of a day in Los Angeles, as carriers count
  add column retired_at timestamptz;                                       -- texts leave from it no more; it still hears

create table longshore.sender_standing (
  team_id uuid not null,
  phone text not null,
  line_at timestamptz not null default '-infinity', -- up to when its places are given away
  batched integer not null default 0,               -- places given away since its last pause
  day date not null default '-infinity',            -- the day that is counted, in Los Angeles
  segments bigint not null default 0,
  messages bigint not null default 0,
  filtered bigint not null default 0,               -- of those, what a carrier took for spam
  opted_out bigint not null default 0,              -- of those, what was answered with STOP
  state text not null default 'well' check (state in ('well', 'resting', 'quarantined')),
  state_reason text,
  rests_until timestamptz,
  changed_at timestamptz not null default now(),
  primary key (team_id, phone),
  foreign key (team_id, phone) references longshore.senders on delete cascade,
  check ((state = 'resting') = (rests_until is not null))
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);
call longshore.protect('longshore.sender_standing', 'select, update');
revoke update on longshore.sender_standing from longshore_scheduler, longshore_operator;
grant insert on longshore.sender_standing to longshore_engine;

-- What a campaign's messages are for. It decides which consent they need, and what becomes of one when nobody knows whether it left.
alter table longshore.campaigns
  add column purpose text not null default 'marketing' check (purpose in ('marketing', 'transactional'));

alter table longshore.messages
  add column tries smallint not null default 0,     -- how often it was marked for the vendor
  add column slot_sender text,                      -- in whose line it has a place
  add column slot_at timestamptz,                   -- and when its turn is
  add column hold_job bigint,                       -- the job whose credits are reserved for it and not settled
  add column hold_credits bigint,
  add column resend_of bigint,                      -- the message that failed in passing and is sent once more by this one
  add column resends smallint not null default 0,   -- how many such messages come before it
  add constraint messages_slot check ((slot_sender is null) = (slot_at is null)),
  add constraint messages_hold check ((hold_job is null) = (hold_credits is null)),
  add constraint messages_resend check ((resend_of is null) = (resends = 0) and resend_of <> message_id);
-- What failed is sent once more by one message, whoever reports it and however often.
create unique index messages_resent on longshore.messages (team_id, resend_of) where resend_of is not null;
-- What a person has to look into: few rows, so the index costs next to nothing.
create index messages_unknown on longshore.messages (team_id, message_id) where state = 'unknown';

-- Beside letting through, putting off and stopping: sending again what was surely not taken, leaving it to a person, and what
-- that person said.
alter table longshore.message_decisions drop constraint message_decisions_verdict_check,
  add constraint message_decisions_verdict_check check (verdict in ('send', 'wait', 'suppress', 'resend', 'park', 'resolve'));
grant insert on longshore.message_decisions to longshore_engine;

-- What was answered to a text that came in, where the vendor was not left to answer by itself.
alter table longshore.inbox add column answer text check (length(answer) between 1 and 320);

reset role;
set local role longshore_engine;

-- The numbers there are so far.
insert into longshore.sender_standing (team_id, phone) select s.team_id, s.phone from longshore.senders s;

reset role;
