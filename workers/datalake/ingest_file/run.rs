//! Loads an uploaded file, each row once: in chunks, each committed together with the place where reading goes on.
//!
//! Killed anywhere, it goes on behind the last chunk that was committed. Memory is one chunk, whatever the file's size.

use std::time::Duration;

use anyhow::anyhow;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{
    Digest as _, Sha256,
    digest::common::hazmat::{SerializableState as _, SerializedState},
};

use super::IngestFile;
use crate::{
    ctx::Ctx,
    datalake::{
        FileId, Rules,
        chunk::{self, Counts},
        object_store::StoreError,
        parse::{self, Batch, Progress, Unusable},
        records::Splitter,
    },
    failpoint,
    job::{OrDead as _, Outcome, Stop},
    telemetry::{self, Row},
};

/// A run that takes longer hands its slot back between two chunks, and goes on when its turn comes again.
const LONGEST_RUN: Duration = Duration::from_secs(45 * 60);

impl IngestFile {
    pub(super) async fn work(&self, ctx: &Ctx) -> Outcome {
        let mut load = match Load::open(ctx, FileId(self.file_id)).await? {
            Opened::Published(counts) => {
                let tx = ctx.fenced_tx().await?;
                return ctx.complete(tx, output(FileId(self.file_id), &counts)).await;
            }
            Opened::Open(load) => *load,
        };
        let started = ctx.now();
        loop {
            load.refuse_rejects(ctx).await?;
            if load.ended() {
                return load.publish(ctx).await;
            }
            ctx.check_cancelled()?;
            if (ctx.now() - started).to_std().unwrap_or_default() > LONGEST_RUN {
                return Err(Stop::snooze(Duration::ZERO, "long_file: goes on behind the last chunk"));
            }
            let from = load.state.progress.place.byte;
            let batch = load.read_on(ctx).await?;
            load.commit(ctx, from, &batch).await?;
        }
    }
}

fn output(file: FileId, counts: &Counts) -> Value {
    let mut output = json!(counts);
    output["file_id"] = json!(file);
    output
}

/// What is stored with the file, so that any job can go on.
#[derive(Serialize, Deserialize)]
struct Resume {
    progress: Progress,
    /// The digest's inner state behind the bytes read, in hex.
    sha256: String,
}

/// What reading needs; moves between the runtime and the threads that may block.
#[derive(Default)]
struct State {
    splitter: Splitter,
    progress: Progress,
    hash: Sha256,
    /// The bytes from `progress.place` on that are fetched but not read.
    rest: Vec<u8>,
}

/// A file that is being loaded.
struct Load {
    file: FileId,
    key: String,
    bytes: u64,
    sha256: Vec<u8>,
    counts: Counts,
    state: State,
}

enum Opened {
    Published(Counts),
    Open(Box<Load>),
}

impl Load {
    async fn open(ctx: &Ctx, file: FileId) -> Result<Opened, Stop> {
        let mut tx = ctx.tx().await?;
        let found = sqlx::query_file!("datalake/ingest_file/find.sql", ctx.team().0, file.0).fetch_optional(&mut *tx).await?;
        tx.commit().await?;
        let found = found.ok_or_else(|| Stop::dead(anyhow!("the team has no file {file}")))?;
        let counts = Counts {
            rows_in: found.rows_in,
            rows_loaded: found.rows_loaded,
            rows_rejected: found.rows_rejected,
            rows_duplicate: found.rows_duplicate,
            consents: found.consents,
            consent_undated: found.consent_undated,
            engagement_unknown: found.engagement_unknown,
        };
        if found.published {
            return Ok(Opened::Published(counts));
        }
        let mut state = State::default();
        if let Some(resume) = found.resume {
            let resume: Resume = serde_json::from_value(resume)?;
            state.hash = read_hash(&resume.sha256).or_dead()?;
            state.progress = resume.progress;
        }
        let bytes = u64::try_from(found.bytes).or_dead()?;
        let load = Self { file, key: found.object_key, bytes, sha256: found.sha256, counts, state };
        match ctx.services().objects.size(&load.key).await {
            Ok(size) if size == bytes => Ok(Opened::Open(Box::new(load))),
            Ok(size) => load.fail(ctx, format!("the stored object has {size} bytes where {bytes} were uploaded")).await,
            Err(StoreError::NotFound(_)) => load.fail(ctx, "the stored object is gone: upload the file again".into()).await,
            Err(error) => Err(error.into()),
        }
    }

    fn ended(&self) -> bool {
        self.state.progress.place.byte == self.bytes && self.state.progress.header.is_some()
    }

    /// Fetches and reads until there is something to commit.
    async fn read_on(&mut self, ctx: &Ctx) -> Result<Batch, Stop> {
        let length = u64::from(ctx.services().rules.datalake.chunk_bytes.max(1));
        let from = self.state.progress.place.byte;
        loop {
            ctx.check_cancelled()?;
            let at = self.state.progress.place.byte + self.state.rest.len() as u64;
            let fetched = ctx.services().objects.read(&self.key, at, length.min(self.bytes - at)).await?;
            let whole = at + fetched.len() as u64 == self.bytes;
            if fetched.is_empty() && !whole {
                return Err(Stop::retry(anyhow!("object {} ended at byte {at} of {}", self.key, self.bytes)));
            }
            let mut state = std::mem::take(&mut self.state);
            let now = ctx.now();
            let read = move || {
                state.rest.extend_from_slice(&fetched);
                let batch = state.read(whole, now);
                (state, batch)
            };
            // Reading takes the processor for a while; the heartbeat must not wait for it.
            let (state, batch) = tokio::task::spawn_blocking(read).await.map_err(Stop::retry)?;
            self.state = state;
            match batch {
                Ok(_) if self.state.progress.place.byte == from && !whole => {}
                Ok(batch) => return Ok(batch),
                Err(unusable) => return self.fail(ctx, unusable.to_string()).await,
            }
        }
    }

    /// Rows, rejects and the place behind them, in one fenced transaction.
    async fn commit(&mut self, ctx: &Ctx, from: u64, batch: &Batch) -> Result<(), Stop> {
        let to = self.state.progress.place.byte;
        let resume = Resume { progress: self.state.progress.clone(), sha256: hex::encode(self.state.hash.serialize()) };
        let span = (i64::try_from(from).or_dead()?, i64::try_from(to).or_dead()?);
        let mut tx = ctx.fenced_tx().await?;
        let written = chunk::write(&mut tx, ctx.team(), self.file, batch, span, &serde_json::to_value(&resume)?).await?;
        let Some(counts) = written else {
            return Err(Stop::snooze(Duration::from_secs(15), "file_busy: another job loads this file"));
        };
        // For those who look at the job; where to go on is read from the file.
        ctx.checkpoint(&mut tx, span.1, i64::try_from(self.bytes).ok(), json!({ "byte": to })).await?;
        failpoint!(BeforeCommit);
        tx.commit().await?;
        failpoint!(AfterCommit);
        for (outcome, now, before) in [
            (Row::Loaded, counts.rows_loaded, self.counts.rows_loaded),
            (Row::Duplicate, counts.rows_duplicate, self.counts.rows_duplicate),
            (Row::Rejected, counts.rows_rejected, self.counts.rows_rejected),
        ] {
            telemetry::rows(outcome, now - before);
        }
        self.counts = counts;
        Ok(())
    }

    async fn refuse_rejects(&self, ctx: &Ctx) -> Result<(), Stop> {
        let Some(reason) = too_many_rejects(&self.counts, &ctx.services().rules.datalake) else { return Ok(()) };
        self.fail(ctx, reason).await
    }

    async fn publish(self, ctx: &Ctx) -> Outcome {
        if self.state.hash.clone().finalize()[..] != self.sha256[..] {
            return self.fail(ctx, "the stored bytes are not those that were uploaded: their SHA-256 differs".into()).await;
        }
        let mut tx = ctx.fenced_tx().await?;
        let publish = sqlx::query_file!("datalake/ingest_file/publish.sql", ctx.team().0, self.file.0).execute(&mut *tx).await?;
        if publish.rows_affected() == 0 {
            return Err(Stop::snooze(Duration::from_secs(1), "file_busy: another job loads this file"));
        }
        ctx.complete(tx, output(self.file, &self.counts)).await
    }

    /// The file can't be loaded: says so where its owner looks, and ends the job.
    async fn fail<T>(&self, ctx: &Ctx, reason: String) -> Result<T, Stop> {
        let mut tx = ctx.fenced_tx().await?;
        let fail = sqlx::query_file!("datalake/ingest_file/fail.sql", ctx.team().0, self.file.0, reason);
        fail.execute(&mut *tx).await?;
        tx.commit().await?;
        Err(Stop::dead(anyhow!("file {}: {reason}", self.file)))
    }
}

impl State {
    fn read(&mut self, whole: bool, now: chrono::DateTime<chrono::Utc>) -> Result<Batch, Unusable> {
        let from = self.progress.place.byte;
        let batch = parse::parse(&mut self.splitter, &mut self.progress, &self.rest, whole, now)?;
        let read = usize::try_from(self.progress.place.byte - from).unwrap_or(self.rest.len());
        self.hash.update(&self.rest[..read]);
        self.rest.drain(..read);
        Ok(batch)
    }
}

fn too_many_rejects(counts: &Counts, rules: &Rules) -> Option<String> {
    let &Counts { rows_in, rows_rejected, .. } = counts;
    let too_many = rows_in >= rules.reject_rate_after_rows && rows_rejected as f64 > rules.max_reject_rate * rows_in as f64;
    too_many.then(|| {
        format!(
            "{rows_rejected} of the first {rows_in} rows were rejected, more than {:.0} in 100: see the rejects for the reasons",
            rules.max_reject_rate * 100.0
        )
    })
}

fn read_hash(text: &str) -> anyhow::Result<Sha256> {
    let bytes = hex::decode(text)?;
    let state = SerializedState::<Sha256>::try_from(&bytes[..])?;
    Sha256::deserialize(&state).map_err(|_| anyhow!("the digest's state can't be read"))
}
