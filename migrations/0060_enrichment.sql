-- Enrichment: every paid call is written down before it is made, and what came of it after; both for good.
set local role longshore_owner;

-- What is about to be asked of a vendor, committed together with its credit hold before the call. An intent without a
-- row in vendor_calls is under way, or its worker ended during the call and its outcome is unknown.
create table longshore.vendor_intents (
  team_id uuid not null references longshore.teams,
  job_id bigint not null,
  step text not null check (length(step) between 1 and 100),
  call integer not null check (call > 0),
  vendor text not null,
  lead_id bigint not null,
  request_hash bytea not null,           -- SHA-256 over team, vendor and request: tells a repeat, gives nothing away
  fence bigint not null,                 -- the lease under which it was called
  started_at timestamptz not null default now(),
  primary key (team_id, job_id, step, call),
  foreign key (team_id, lead_id) references longshore.leads
);
create index vendor_intents_lead on longshore.vendor_intents (team_id, lead_id, started_at);
call longshore.protect('longshore.vendor_intents', 'select, insert');
revoke update, delete on longshore.vendor_intents from longshore_engine;
create trigger append_only before update or delete or truncate on longshore.vendor_intents
  for each statement execute function longshore.refuse_change();

-- What came of it.
create table longshore.vendor_calls (
  team_id uuid not null,
  job_id bigint not null,
  step text not null,
  call integer not null,
  outcome text not null check (outcome in ('found', 'no_match', 'unknown', 'retryable', 'rate_limited', 'refused', 'config')),
  status bigint,                         -- the vendor's code or HTTP status, where it refused with one
  latency_ms integer,                    -- null: nobody saw the end
  credits bigint check (credits >= 0),   -- what it charged; null: unknown
  ended_at timestamptz not null default now(),
  primary key (team_id, job_id, step, call),
  foreign key (team_id, job_id, step, call) references longshore.vendor_intents,
  check ((credits is null) = (outcome = 'unknown'))
);
call longshore.protect('longshore.vendor_calls', 'select, insert');
revoke update, delete on longshore.vendor_calls from longshore_engine;
create trigger append_only before update or delete or truncate on longshore.vendor_calls
  for each statement execute function longshore.refuse_change();

-- Every call on one line: what was asked, what came of it, what it was held for and what it was charged.
-- A call of unknown outcome that was charged in full shows outcome `unknown` beside hold_state `captured`.
create view longshore.vendor_call_log with (security_invoker = true) as
select i.team_id, i.job_id, i.step, i.call, i.vendor, i.lead_id, i.request_hash, i.started_at, c.ended_at,
  coalesce(c.outcome, case when h.state = 'held' then 'in_flight' else 'unknown' end) as outcome,
  c.status, c.latency_ms, c.credits, h.amount as held, h.state as hold_state, h.captured
from longshore.vendor_intents i
left join longshore.vendor_calls c using (team_id, job_id, step, call)
left join longshore.credit_holds h using (team_id, job_id, step, call);
grant select on longshore.vendor_call_log to longshore_api, longshore_worker, longshore_scheduler, longshore_operator, longshore_auditor;

-- What a vendor knows of a lead, as it last answered.
create table longshore.enrichments (
  team_id uuid not null references longshore.teams,
  lead_id bigint not null,
  vendor text not null,
  facts jsonb,                           -- the vendor's answer, whole; null: it never knew anybody
  job_id bigint not null,                -- the job that asked last
  looked_up_at timestamptz not null default now(),
  primary key (team_id, lead_id, vendor),
  foreign key (team_id, lead_id) references longshore.leads
);
call longshore.protect('longshore.enrichments', 'select, insert, update');

reset role;
