-- Leads, campaigns, and who is enrolled in what. A lead is in at most one running sequence: the index says so.
set local role longshore_owner;

create table longshore.leads (
  team_id uuid not null references longshore.teams,
  lead_id bigint generated always as identity,
  phone text check (phone ~ '^\+[1-9][0-9]{6,14}$'),  -- E.164
  email text,
  first_name text,
  last_name text,
  company text,
  domain text,
  city text,
  state char(2),                          -- US postal code of the state
  zip text,
  tags text[] not null default '{}',
  engagement text not null default 'medium' check (engagement in ('high', 'medium', 'low')),
  file_id bigint,                         -- the ingested file it came from
  file_row bigint,                        -- its record in that file, counted from 1
  stopped_at timestamptz,                 -- said stop to this team by any channel
  created_at timestamptz not null default now(),
  primary key (team_id, lead_id)
);
-- The same person twice in one team is one lead.
create unique index leads_phone on longshore.leads (team_id, phone);
call longshore.protect('longshore.leads', 'select, insert, update');

create table longshore.campaigns (
  team_id uuid not null references longshore.teams,
  campaign_id bigint generated always as identity,
  name text not null check (length(btrim(name)) between 1 and 200),
  state text not null default 'draft' check (state in ('draft', 'scheduled', 'active', 'paused', 'completed', 'stopped')),
  sender text not null check (sender ~ '^\+[1-9][0-9]{6,14}$'),
  target_tags text[] not null default '{}',          -- a lead matches with any of them; none given: every lead
  engagement text[] not null check (cardinality(engagement) > 0 and engagement <@ array['high', 'medium', 'low']),
  created_at timestamptz not null default now(),
  activated_at timestamptz,                          -- the first time
  opens_at timestamptz,                              -- no first step before this: activation and the first delay
  changed_at timestamptz not null default now(),
  primary key (team_id, campaign_id),
  unique (team_id, name),
  check ((activated_at is null) = (opens_at is null))
);
-- Deleting is open to tenants because the foreign key of enrollments refuses it where it would lose something.
call longshore.protect('longshore.campaigns', 'select, insert, update, delete');

create table longshore.campaign_steps (
  team_id uuid not null,
  campaign_id bigint not null,
  step smallint not null check (step between 1 and 3),
  delay_minutes integer not null check (delay_minutes >= 0),
  template text not null check (length(template) between 1 and 1600),
  primary key (team_id, campaign_id, step),
  foreign key (team_id, campaign_id) references longshore.campaigns on delete cascade
);
call longshore.protect('longshore.campaign_steps', 'select, insert');

create table longshore.enrollments (
  team_id uuid not null,
  campaign_id bigint not null,
  lead_id bigint not null,
  state text not null default 'running' check (state in ('running', 'completed', 'stopped')),
  next_step smallint,                     -- null when no step is left
  next_due_at timestamptz,                -- for the first step also not before campaigns.opens_at: activating writes one row
  run_job bigint not null,                -- the enroll_batch job that enrolled it
  enrolled_at timestamptz not null default now(),
  primary key (team_id, campaign_id, lead_id),
  foreign key (team_id, campaign_id) references longshore.campaigns,
  foreign key (team_id, lead_id) references longshore.leads,
  check ((next_step is null) = (next_due_at is null))
);
create unique index enrollments_one_running on longshore.enrollments (team_id, lead_id) where state = 'running';
-- In the order in which run_sequence walks, so that it can go on behind a point.
create index enrollments_due on longshore.enrollments (team_id, campaign_id, next_due_at, lead_id)
  where state = 'running' and next_due_at is not null;
call longshore.protect('longshore.enrollments', 'select, insert, update');

-- What one enrollment run did, counted in the transactions that did it.
create table longshore.enrollment_runs (
  team_id uuid not null,
  job_id bigint not null,
  campaign_id bigint not null,
  attempted bigint not null default 0,            -- matching leads looked at
  enrolled bigint not null default 0,
  no_phone bigint not null default 0,
  stopped bigint not null default 0,              -- said stop
  suppressed bigint not null default 0,           -- the number is on the suppression list
  running_elsewhere bigint not null default 0,    -- in another running sequence
  enrolled_before bigint not null default 0,      -- in this campaign already
  lost_race bigint not null default 0,            -- taken by another run between the look and the write
  repeated_chunks bigint not null default 0,      -- rolled back by the database (40001, 40P01) and done again
  started_at timestamptz,                         -- null: its job has not begun
  ended_at timestamptz,
  primary key (team_id, job_id),
  foreign key (team_id, campaign_id) references longshore.campaigns on delete cascade,
  check (attempted = enrolled + no_phone + stopped + suppressed + running_elsewhere + enrolled_before + lost_race)
);
create index enrollment_runs_campaign on longshore.enrollment_runs (team_id, campaign_id);
call longshore.protect('longshore.enrollment_runs', 'select, insert, update');

-- Which tags a team's leads carry, counted by the job refresh_tags: what a campaign form offers.
create table longshore.tags (
  team_id uuid not null references longshore.teams,
  tag text not null,
  leads bigint not null check (leads > 0),
  refreshed_at timestamptz not null,
  primary key (team_id, tag)
);
call longshore.protect('longshore.tags', 'select, insert, update, delete');

reset role;
