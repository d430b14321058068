//! Enqueueing from Rust, inside the caller's own transaction: the typed face of `queue.enqueue`.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::{
    ids::{JobId, TeamId},
    job::{Invalid, Job, Stop},
    telemetry::{self, Source},
};

/// What may be said of a job beside its payload.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The same key, for the same team and kind, gives one job. 1 to 255 bytes.
    pub key: Option<String>,
    /// Not before this moment; at most a year ahead.
    pub run_at: Option<DateTime<Utc>>,
    /// 0 first, 9 last; the kind's own otherwise.
    pub priority: Option<i16>,
    /// Ties the job to the request that caused it, in logs.
    pub correlation: Option<String>,
    /// The job that enqueues this one.
    pub parent: Option<JobId>,
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

/// Enqueues one job. It exists when the caller's transaction commits, and not before.
pub async fn one<J: Job>(conn: &mut PgConnection, team: TeamId, job: &J, options: Options) -> Result<Enqueued, EnqueueError> {
    job.check()?;
    let row = sqlx::query_file!(
        "queue/enqueue.sql",
        team.0,
        J::KIND,
        serde_json::to_value(job)?,
        options.key,
        options.run_at,
        options.priority,
        options.correlation,
        options.parent.map(|parent| parent.0),
    )
    .fetch_one(conn)
    .await?;
    let repeated = usize::from(row.deduplicated);
    telemetry::jobs_enqueued(J::KIND, Source::Rust, 1 - repeated, repeated);
    Ok(Enqueued { job: JobId(row.job_id), deduplicated: row.deduplicated })
}

/// Enqueues many jobs of one kind with one statement, all or none. `keys` runs parallel to `jobs`.
pub async fn many<J: Job>(
    conn: &mut PgConnection,
    team: TeamId,
    jobs: &[J],
    keys: Option<Vec<String>>,
    options: Options,
) -> Result<Vec<Enqueued>, EnqueueError> {
    let mut payloads = Vec::with_capacity(jobs.len());
    for job in jobs {
        job.check()?;
        payloads.push(serde_json::to_value(job)?);
    }
    let run_ats = options.run_at.map(|at| vec![at; jobs.len()]);
    let priorities = options.priority.map(|priority| vec![priority; jobs.len()]);
    let rows = sqlx::query_file!(
        "queue/enqueue_many.sql",
        team.0,
        J::KIND,
        &payloads,
        keys.as_deref(),
        run_ats.as_deref(),
        priorities.as_deref(),
        options.correlation,
        options.parent.map(|parent| parent.0),
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
    telemetry::jobs_enqueued(J::KIND, Source::Rust, enqueued.len() - repeated, repeated);
    Ok(enqueued)
}
