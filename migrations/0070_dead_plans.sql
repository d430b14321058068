-- Plans for dead letters: which are to run again, edited how, how fast, and what became of each.
set local role longshore_owner;

create sequence queue.plan_ids as bigint;

-- A plan belongs to whoever made it: one made with an API key to the key's team, an operator's to the house, whatever teams
-- its letters are of. So a team never reads what operators wrote about it, and an operator's selection is one plan.
create table queue.plans (
  team_id uuid not null,
  plan_id bigint not null default nextval('queue.plan_ids'),
  made_by text not null,
  made_at timestamptz not null default now(),
  note text,
  filter jsonb not null,                 -- how its letters were chosen, for people
  patch jsonb,                           -- RFC 6902; what it made of each payload stands with the letter
  per_second double precision check (per_second > 0), -- letters replayed a second; null: as fast as it goes
  letters integer not null default 0,
  settled integer not null default 0,    -- of these: replayed, refused, or settled by somebody else
  replayed integer not null default 0,
  credits bigint not null default 0,     -- what its runs may cost, the worst case
  sealed_at timestamptz,                 -- from then on no letter is added
  needs_approval boolean not null default false,
  approved_by text,
  approved_at timestamptz,
  started_by text,
  started_at timestamptz,
  stopped_by text,
  stopped_at timestamptz,
  ended_at timestamptz,
  position integer not null default 0,   -- letters up to here are settled
  next_at timestamptz not null default '-infinity', -- its rate allows no replay before
  primary key (team_id, plan_id),
  constraint plans_two_people check (lower(btrim(approved_by)) <> lower(btrim(made_by))),
  constraint plans_approved_first check (started_at is null or approved_at is not null or not needs_approval)
) with (fillfactor = 50);

-- A letter of a plan. It belongs to the letter's team, so that a team's rows stay together.
create table queue.plan_items (
  team_id uuid not null,
  plan_id bigint not null,
  job_id bigint not null,
  position integer not null,             -- from 1, oldest death first
  payload jsonb,                         -- what it runs with; null: its own
  price bigint not null,
  result text check (result in ('replayed', 'refused', 'settled')), -- null: still to do
  reason text,                           -- why it was refused, or who was first
  replayed_as bigint,
  at timestamptz,
  primary key (team_id, plan_id, job_id),
  check ((result is null) = (at is null)),
  check ((result = 'replayed') = (replayed_as is not null))
) with (fillfactor = 70);
create index plan_items_plan on queue.plan_items (plan_id, position);
create index plan_items_letter on queue.plan_items (team_id, job_id);
create index plans_ended on queue.plans (ended_at) where ended_at is not null;

call longshore.protect('queue.plans', 'select');
call longshore.protect('queue.plan_items', 'select');
grant select, insert, update, delete on queue.plans, queue.plan_items to longshore_engine;
grant usage on sequence queue.plan_ids to longshore_engine;

reset role;
