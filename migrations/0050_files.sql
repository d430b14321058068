-- The catalogue of uploaded files, and the rows of them that could not be loaded.
set local role longshore_owner;

create table longshore.files (
  team_id uuid not null references longshore.teams,
  file_id bigint generated always as identity,
  dataset text not null check (dataset in ('leads')),
  sha256 bytea not null check (octet_length(sha256) = 32),
  object_key text not null check (starts_with(object_key, 't/' || team_id::text || '/')),
  bytes bigint not null check (bytes >= 0),
  original_name text not null check (length(original_name) between 1 and 255),  -- the name it first came under
  state text not null default 'stored' check (state in ('stored', 'loading', 'loaded', 'failed')),
  error text,                             -- why it failed, in words for its owner
  -- Where the load goes on. It stands here and not with the job, because it is the file's: a replayed dead letter, or a
  -- second job for the same file, is another job and must not load the first rows again.
  read_to bigint not null default 0 check (read_to between 0 and bytes),
  resume jsonb,
  rows_in bigint not null default 0 check (rows_in >= 0),
  rows_loaded bigint not null default 0 check (rows_loaded >= 0),
  rows_rejected bigint not null default 0 check (rows_rejected >= 0),
  rows_duplicate bigint not null default 0 check (rows_duplicate >= 0),
  consents bigint not null default 0 check (consents >= 0),
  consent_undated bigint not null default 0 check (consent_undated >= 0),        -- left out: no date, no proof
  engagement_unknown bigint not null default 0 check (engagement_unknown >= 0),  -- taken as medium
  published boolean not null default false,
  stored_at timestamptz not null default now(),
  started_at timestamptz,
  loaded_at timestamptz,
  primary key (team_id, file_id),
  -- The same bytes are the same file, under any name.
  unique (team_id, dataset, sha256),
  check (rows_in = rows_loaded + rows_rejected + rows_duplicate),
  check (published = (state = 'loaded')),
  check (not published or (read_to = bytes and loaded_at is not null)),
  check ((state = 'failed') = (error is not null))
);
call longshore.protect('longshore.files', 'select, insert, update');

create table longshore.rejects (
  team_id uuid not null,
  file_id bigint not null,
  record bigint not null check (record > 0),   -- its number in the file; the header row has none
  line bigint not null check (line > 0),       -- the line it starts on, the header row's among them
  column_name text,                            -- null: the row as a whole is at fault
  reason text not null,
  raw text not null check (length(raw) <= 1000),
  primary key (team_id, file_id, record),
  foreign key (team_id, file_id) references longshore.files
);
call longshore.protect('longshore.rejects', 'select, insert');

-- A consent that came with a file counts once, in however many files it stands.
create unique index consents_from_files on longshore.consents (team_id, phone, purpose, level, captured_at) where method = 'file';

reset role;
