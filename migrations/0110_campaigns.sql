-- Campaigns that begin at a set time, compare texts in variants, send again what failed, are recalled, and are counted as they go.
set local role longshore_owner;

alter table longshore.campaigns
  add activate_at timestamptz,            -- when a scheduled one begins
  add recalled_at timestamptz,
  -- Why it was paused or completed by itself; null where a person did it.
  add state_reason text check (state_reason in ('sender_unregistered', 'sender_retired', 'filtered', 'all_through')),
  add cloned_from bigint,                 -- stays when that one is deleted: it is only said, never followed
  add create_key text check (length(create_key) between 1 and 255),   -- the Idempotency-Key it was created under
  add create_digest bytea,                -- of what was asked for under it
  add check ((state = 'scheduled') <= (activate_at is not null)),
  add check ((create_key is null) = (create_digest is null));
create unique index campaigns_create_key on longshore.campaigns (team_id, create_key) where create_key is not null;
-- What is due of all teams, found in one query.
create index campaigns_scheduled on longshore.campaigns (activate_at) where state = 'scheduled';
create index campaigns_active on longshore.campaigns (team_id, campaign_id) where state = 'active';

-- Other texts of a step, each for its share of the leads. The step's own template is variant a.
alter table longshore.campaign_steps add weight smallint not null default 1 check (weight between 1 and 100);
create table longshore.campaign_variants (
  team_id uuid not null,
  campaign_id bigint not null,
  step smallint not null,
  variant text not null check (variant ~ '^[b-z]$'),
  weight smallint not null check (weight between 1 and 100),
  template text not null check (length(template) between 1 and 1600),
  primary key (team_id, campaign_id, step, variant),
  foreign key (team_id, campaign_id, step) references longshore.campaign_steps on delete cascade
);
-- Never changed: which variant a lead gets follows from the weights, and must not change under way.
call longshore.protect('longshore.campaign_variants', 'select, insert');

-- A lead whose sends failed may be enrolled again, in another round. The round is part of the send key; so a message is sent at
-- most once in a round. A round is begun by a person, or once by a report that says that another try may get through. Within one, a
-- lead gets one variant of a step, whichever.
alter table longshore.enrollments add round smallint not null default 1 check (round between 1 and 100);
alter table longshore.messages add round smallint not null default 1 check (round between 1 and 100);
create unique index messages_send_key on longshore.messages (team_id, campaign_id, lead_id, step, round);
alter table longshore.messages drop constraint messages_team_id_campaign_id_lead_id_step_variant_key;
-- The campaign's reference implies the team's, which cost every planned message a look-up of its own.
alter table longshore.messages drop constraint messages_team_id_fkey;
create index messages_failed on longshore.messages (team_id, campaign_id, lead_id) where state = 'failed';

alter table longshore.enrollment_runs
  add purpose text not null default 'enroll' check (purpose in ('enroll', 'reenroll')),
  add errors bigint not null default 0;   -- attempts that an error ended; what they had committed stands

-- A campaign's figures, folded from its moves. Step 0 with no variant: its enrollments.
create table longshore.campaign_counts (
  team_id uuid not null references longshore.teams,
  campaign_id bigint not null,
  step smallint not null,
  variant text not null,
  measure text not null,
  n bigint not null,
  primary key (team_id, campaign_id, step, variant, measure)
) with (fillfactor = 70);
call longshore.protect('longshore.campaign_counts', 'select');

-- What changed in them: only ever added, by the triggers on what is counted, and folded in bites. So no two sends of a campaign
-- wait for each other at a counter. No foreign key: it would lock the campaign's row behind a message's, against the order.
create table longshore.campaign_moves (
  team_id uuid not null references longshore.teams,
  campaign_id bigint not null,
  move_id bigint generated always as identity,
  step smallint not null,
  variant text not null,
  measure text not null,
  n bigint not null,
  primary key (team_id, campaign_id, move_id)
) with (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 5000);
call longshore.protect('longshore.campaign_moves', 'select');

-- What the scheduler has seen of an active campaign: how its figures stood when the window began in which it looks for texts that
-- carriers take for spam, and since when nobody is left in it. No foreign key, for the same reason.
create table longshore.campaign_watch (
  team_id uuid not null references longshore.teams,
  campaign_id bigint not null,
  window_at timestamptz not null,
  ended bigint not null,
  accepted bigint not null,
  filtered bigint not null,
  quiet_since timestamptz,
  primary key (team_id, campaign_id)
) with (fillfactor = 70);
call longshore.protect('longshore.campaign_watch', 'select');

-- A team's leads as they were counted last, by what campaigns choose by and what keeps a lead out: what a preview of a large
-- team answers from. Rewritten whole by the job refresh_tags.
create table longshore.audience (
  team_id uuid not null references longshore.teams,
  group_no integer not null,
  engagement text not null,
  tags text[] not null,
  obstacle text not null check (obstacle in ('', 'no_phone', 'stopped', 'suppressed', 'running')),
  campaign_id bigint not null,            -- in whose sequence they are running; 0: in none
  leads bigint not null check (leads > 0),
  first_leads bigint[] not null,          -- the first hundred of them
  counted_at timestamptz not null,
  primary key (team_id, group_no)
);
call longshore.protect('longshore.audience', 'select, insert, delete');

grant select, update on longshore.campaigns to longshore_engine;
grant select on longshore.campaign_steps, longshore.enrollments, longshore.enrollment_runs, longshore.messages to longshore_engine;
grant select, insert, update, delete on longshore.campaign_counts, longshore.campaign_moves to longshore_engine;
grant select, insert, update on longshore.campaign_watch to longshore_engine;

reset role;
-- As the engine: an owner sees no team's rows.
set local role longshore_engine;

-- What is there already is counted once, before the triggers begin; what was altered above lets nobody write until this commits.
insert into longshore.campaign_counts (team_id, campaign_id, step, variant, measure, n)
select team_id, campaign_id, 0, '', measure, sum(n)
from longshore.enrollments
cross join lateral (values ('enrolled', 1), ('now:' || state, 1)) v (measure, n)
group by team_id, campaign_id, measure;
insert into longshore.campaign_counts (team_id, campaign_id, step, variant, measure, n)
select team_id, campaign_id, step, variant, measure, sum(n)
from longshore.messages
cross join lateral (values
  ('planned', 1), ('now:' || state, 1), ('accepted', (accepted_at is not null)::integer), ('segments', coalesce(segments, 0)),
  ('failed:' || coalesce(error_code::text, ''), (state = 'failed')::integer),
  ('suppressed:' || split_part(coalesce(state_reason, ''), ':', 1), (state = 'suppressed')::integer)
) v (measure, n)
group by team_id, campaign_id, step, variant, measure
having sum(n) <> 0;

-- One duty starts what is due in all campaigns now; a schedule a campaign is a thing of the past.
delete from queue.schedules where kind = 'run_sequence' and name like 'campaign.%.sequence';

-- What each trigger counts stands in functions/60_campaigns.sql, beside what reads it.
create function longshore.enrollments_counted() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$ begin return null; end $$;
create function longshore.messages_counted() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$ begin return null; end $$;
create function longshore.replies_counted() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$ begin return null; end $$;
create function longshore.charges_counted() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$ begin return null; end $$;
grant execute on function longshore.enrollments_counted(), longshore.messages_counted(), longshore.replies_counted(),
  longshore.charges_counted() to longshore_owner;

reset role;
set local role longshore_owner;

-- By statement, so that a chunk of five thousand is counted once.
create trigger counted_new after insert on longshore.enrollments referencing new table as fresh
  for each statement execute function longshore.enrollments_counted();
create trigger counted_changed after update on longshore.enrollments referencing old table as was new table as fresh
  for each statement execute function longshore.enrollments_counted();
create trigger counted_new after insert on longshore.messages referencing new table as fresh
  for each statement execute function longshore.messages_counted();
create trigger counted_changed after update on longshore.messages referencing old table as was new table as fresh
  for each statement execute function longshore.messages_counted();
create trigger counted after insert on longshore.inbox
  for each row execute function longshore.replies_counted();
-- The ledger is the one place through which every charge goes, however late it comes.
create trigger counted after update on longshore.credit_holds
  for each row when (new.captured <> old.captured and new.step in ('sms', 'sms_late', 'text'))
  execute function longshore.charges_counted();

reset role;
