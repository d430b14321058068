//! Enqueueing from Rust, inside the caller's own transaction: the typed face of `queue.enqueue`.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sqlx::{PgConnection, postgres::types::PgInterval};

use crate::{
    ids::{BatchId, JobId, TeamId},
    job::{Invalid, Job, Limit, Stop},
};

/// What may be said of a job beside its payload.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The same key, for the same team and kind, gives one job. 1 to 255 bytes.
    pub key: Option<String>,
    /// How long the key stands.
    pub key_scope: KeyScope,
    /// What the same key means while it stands.
    pub on_conflict: OnConflict,
    /// Not before this moment; at most a year ahead.
    pub run_at: Option<DateTime<Utc>>,
    /// 0 first, 9 last; the kind's own otherwise.
    pub priority: Option<i16>,
    /// Ties the job to the request that caused it, in logs.
    pub correlation: Option<String>,
    /// The job that enqueues this one.
    pub parent: Option<JobId>,
    /// How many jobs with the limit's key run at once; the job's own otherwise ([`Job::limit`]).
    pub limit: Option<Limit>,
    /// The open batch it belongs to.
    pub batch: Option<BatchId>,
    /// What follows it: [`Options::then`].
    pub chain: Chain,
}

/// Jobs to enqueue one after the other, each when the one before is done.
#[derive(Debug, Clone, Default)]
pub struct Chain(Vec<Value>);

/// How long an idempotency key stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyScope {
    /// For so long from now, whatever becomes of its job.
    For(Duration),
    /// Until its job ends.
    WhileUnfinished,
    /// For ever.
    Forever,
}

impl Default for KeyScope {
    fn default() -> Self {
        Self::For(Duration::from_secs(30 * 86400))
    }
}

impl KeyScope {
    fn name(self) -> &'static str {
        match self {
            Self::For(_) => "period",
            Self::WhileUnfinished => "unfinished",
            Self::Forever => "forever",
        }
    }

    fn lifetime(self) -> PgInterval {
        let lasts = if let Self::For(lasts) = self { lasts } else { Duration::ZERO };
        // Five centuries: as good as never, and safe to convert.
        let capped = lasts.min(Duration::from_secs(500 * 365 * 86400));
        PgInterval { months: 0, days: 0, microseconds: capped.as_micros() as i64 }
    }
}

/// What the same idempotency key means while it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnConflict {
    /// The first job is the answer; another payload is refused.
    #[default]
    First,
    /// A job that still waits gets this payload and keeps its time.
    Replace,
    /// A job that still waits gets this payload and this time: the last call counts.
    Debounce,
}

impl OnConflict {
    fn name(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Replace => "replace",
            Self::Debounce => "debounce",
        }
    }
}

impl Options {
    /// With an idempotency key.
    pub fn key(key: impl Into<String>) -> Self {
        Self { key: Some(key.into()), ..Self::default() }
    }

    /// Not before `run_at`.
    pub fn at(mut self, run_at: DateTime<Utc>) -> Self {
        self.run_at = Some(run_at);
        self
    }

    /// The key stands for so long.
    pub fn scope(mut self, scope: KeyScope) -> Self {
        self.key_scope = scope;
        self
    }

    /// What the same key means while it stands.
    pub fn on_conflict(mut self, policy: OnConflict) -> Self {
        self.on_conflict = policy;
        self
    }

    /// At most so many jobs with that key at once.
    pub fn limit(mut self, key: impl Into<String>, at_once: i32) -> Self {
        self.limit = Some(Limit::new(key, at_once));
        self
    }

    /// Belongs to an open batch.
    pub fn batch(mut self, batch: BatchId) -> Self {
        self.batch = Some(batch);
        self
    }

    /// Enqueues `job` when the one before it is done, in the same transaction; after the last `then` comes the next one.
    pub fn then<J: Job>(mut self, job: &J) -> Result<Self, EnqueueError> {
        let at =
            |invalid: Invalid| Invalid::new(format!("chain.{}.payload.{}", self.chain.0.len(), invalid.field), invalid.reason);
        job.check().map_err(at)?;
        let limit = job.limit();
        self.chain.0.push(json!({
            "kind": J::KIND,
            "payload": serde_json::to_value(job)?,
            "limit_key": limit.as_ref().map(|limit| &limit.key),
            "limit_to": limit.as_ref().map(|limit| limit.at_once),
        }));
        Ok(self)
    }
}

/// An accepted job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Enqueued {
    /// Its id, or that of the job the key named first.
    pub job: JobId,
    /// The key was known already.
    pub deduplicated: bool,
}

/// Why a job was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum EnqueueError {
    /// The payload could never run.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// One row of many was refused: `SQLSTATE|field|sentence|hint`.
    #[error("row {row}: {problem}")]
    Refused {
        /// Its place, from 0.
        row: usize,
        /// As `queue.enqueue_many` reports it.
        problem: String,
    },
    /// The payload can't be written as JSON.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// The database refused (SQLSTATE class LS: docs/SQL.md) or did not answer.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

impl From<EnqueueError> for Stop {
    fn from(error: EnqueueError) -> Self {
        match error {
            EnqueueError::Database(error) => error.into(),
            other => Self::dead(other),
        }
    }
}

/// Enqueues one job for the team of this transaction ([`crate::begin_as`], [`crate::act_as`]). It exists when the
/// transaction commits, and not before. A refusal leaves the transaction aborted, as any error of Postgres does.
pub async fn enqueue<J: Job>(tx: &mut PgConnection, job: J) -> Result<Enqueued, EnqueueError> {
    accept(tx, None, &job, Options::default()).await
}

/// As [`enqueue()`], and says more of the job than its payload: a key, a time, a limit, what follows it.
pub async fn enqueue_with<J: Job>(tx: &mut PgConnection, job: J, options: Options) -> Result<Enqueued, EnqueueError> {
    accept(tx, None, &job, options).await
}

/// Enqueues many jobs of one kind for the team of this transaction with one statement: by far the cheapest way in. On a
/// refusal roll back: the rows before it stand in the transaction.
pub async fn enqueue_many<J: Job>(tx: &mut PgConnection, jobs: &[J]) -> Result<Vec<Enqueued>, EnqueueError> {
    accept_many(tx, None, jobs, None, Options::default()).await
}

/// As [`enqueue_many`], with an idempotency key for each job.
pub async fn enqueue_many_with<J: Job>(
    tx: &mut PgConnection,
    jobs: &[J],
    keys: Vec<String>,
    options: Options,
) -> Result<Vec<Enqueued>, EnqueueError> {
    accept_many(tx, None, jobs, Some(keys), options).await
}

/// Enqueues one job. It exists when the caller's transaction commits, and not before.
pub async fn one<J: Job>(conn: &mut PgConnection, team: TeamId, job: &J, options: Options) -> Result<Enqueued, EnqueueError> {
    accept(conn, Some(team), job, options).await
}

/// Enqueues many jobs of one kind with one statement, all or none. `keys` runs parallel to `jobs`. `options` holds for each
/// of them; a chain can't.
pub async fn many<J: Job>(
    conn: &mut PgConnection,
    team: TeamId,
    jobs: &[J],
    keys: Option<Vec<String>>,
    options: Options,
) -> Result<Vec<Enqueued>, EnqueueError> {
    accept_many(conn, Some(team), jobs, keys, options).await
}

async fn accept<J: Job>(
    conn: &mut PgConnection,
    team: Option<TeamId>,
    job: &J,
    options: Options,
) -> Result<Enqueued, EnqueueError> {
    job.check()?;
    let limit = options.limit.or_else(|| job.limit());
    let row = sqlx::query_file!(
        "queue/enqueue.sql",
        team.map(|team| team.0),
        J::KIND,
        serde_json::to_value(job)?,
        options.key,
        options.run_at,
        options.priority,
        options.correlation,
        options.parent.map(|parent| parent.0),
        options.key_scope.lifetime(),
        options.key_scope.name(),
        options.on_conflict.name(),
        limit.as_ref().map(|limit| limit.key.as_str()),
        limit.as_ref().map(|limit| limit.at_once),
        options.batch.map(|batch| batch.0),
        (!options.chain.0.is_empty()).then_some(Value::Array(options.chain.0)),
    )
    .fetch_one(conn)
    .await?;
    let repeated = usize::from(row.deduplicated);
    count(J::KIND, 1 - repeated, repeated);
    Ok(Enqueued { job: JobId(row.job_id), deduplicated: row.deduplicated })
}

async fn accept_many<J: Job>(
    conn: &mut PgConnection,
    team: Option<TeamId>,
    jobs: &[J],
    keys: Option<Vec<String>>,
    options: Options,
) -> Result<Vec<Enqueued>, EnqueueError> {
    if !options.chain.0.is_empty() {
        return Err(Invalid::new("chain", "jobs that are enqueued together have no chain; enqueue each for itself").into());
    }
    let mut payloads = Vec::with_capacity(jobs.len());
    let mut limits = Vec::with_capacity(jobs.len());
    for job in jobs {
        job.check()?;
        payloads.push(serde_json::to_value(job)?);
        limits.push(options.limit.clone().or_else(|| job.limit()));
    }
    let limited = limits.iter().any(Option::is_some);
    let limit_keys: Option<Vec<_>> = limited.then(|| limits.iter().map(|limit| Some(limit.as_ref()?.key.clone())).collect());
    let limit_tos: Option<Vec<_>> = limited.then(|| limits.iter().map(|limit| Some(limit.as_ref()?.at_once)).collect());
    let run_ats = options.run_at.map(|at| vec![at; jobs.len()]);
    let priorities = options.priority.map(|priority| vec![priority; jobs.len()]);
    let rows = sqlx::query_file!(
        "queue/enqueue_many.sql",
        team.map(|team| team.0),
        J::KIND,
        &payloads,
        keys.as_deref(),
        run_ats.as_deref(),
        priorities.as_deref(),
        options.correlation,
        options.parent.map(|parent| parent.0),
        options.key_scope.lifetime(),
        options.key_scope.name(),
        options.on_conflict.name(),
        limit_keys.as_deref() as Option<&[Option<String>]>,
        limit_tos.as_deref() as Option<&[Option<i32>]>,
        options.batch.map(|batch| batch.0),
    )
    .fetch_all(conn)
    .await?;
    let enqueued: Vec<_> = rows
        .into_iter()
        .enumerate()
        .map(|(row, accepted)| match (accepted.job_id, accepted.problem) {
            (Some(id), None) => Ok(Enqueued { job: JobId(id), deduplicated: accepted.deduplicated }),
            (_, problem) => Err(EnqueueError::Refused { row, problem: problem.unwrap_or_default() }),
        })
        .collect::<Result<_, _>>()?;
    let repeated = enqueued.iter().filter(|one: &&Enqueued| one.deduplicated).count();
    count(J::KIND, enqueued.len() - repeated, repeated);
    Ok(enqueued)
}

/// Counts what a process of ours enqueued; a producer's own process has figures of its own.
#[cfg(feature = "handlers")]
fn count(kind: &str, fresh: usize, repeated: usize) {
    crate::telemetry::jobs_enqueued(kind, crate::telemetry::Source::Rust, fresh, repeated);
}

#[cfg(not(feature = "handlers"))]
fn count(_: &str, _: usize, _: usize) {}

/// Opens a batch in the caller's transaction: jobs with [`Options::batch`] belong to it until it is sealed. When the last of
/// them has ended, however it did, `then` is enqueued, once; its handler asks `ctx.ended_batch()` for the counts.
pub async fn open_batch<J: Job>(
    conn: &mut PgConnection,
    team: TeamId,
    then: Option<&J>,
    correlation: Option<&str>,
) -> Result<BatchId, EnqueueError> {
    then.map(Job::check).transpose()?;
    let limit = then.and_then(Job::limit);
    let batch = sqlx::query_file_scalar!(
        "queue/open_batch.sql",
        team.0,
        then.map(|_| J::KIND),
        then.map(serde_json::to_value).transpose()?,
        correlation,
        limit.as_ref().map(|limit| limit.key.as_str()),
        limit.as_ref().map(|limit| limit.at_once),
    )
    .fetch_one(conn)
    .await?;
    Ok(BatchId(batch))
}

/// Says that a batch is complete: from now on nothing joins it. False: there is no such batch, or it was sealed before.
pub async fn seal_batch(conn: &mut PgConnection, team: TeamId, batch: BatchId) -> Result<bool, EnqueueError> {
    Ok(sqlx::query_file_scalar!("queue/seal_batch.sql", team.0, batch.0).fetch_one(conn).await?)
}
