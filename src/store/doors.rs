//! What the HTTP door asks of the queue for a team: each is one statement that names the team itself, so that no
//! transaction is left open whatever becomes of the caller.

use chrono::{DateTime, Utc};
use longshore_workers::{
    ids::{JobId, TeamId},
    job::Limit,
    telemetry::{self, Source},
};
use serde_json::Value;
use sqlx::PgConnection;

/// A job that somebody wants accepted.
#[derive(Debug, Clone)]
pub struct NewJob {
    /// What it does.
    pub kind: String,
    /// With what.
    pub payload: Value,
    /// The idempotency key.
    pub key: Option<String>,
    /// Not before this moment.
    pub run_at: Option<DateTime<Utc>>,
    /// 0 first, 9 last; the kind's own otherwise.
    pub priority: Option<i16>,
    /// Ties it to the request that caused it.
    pub correlation: Option<String>,
    /// How many like it run at once.
    pub limit: Option<Limit>,
    /// How long its key stands; 30 days otherwise.
    pub key_scope: Option<&'static str>,
    /// What its key means while it stands; the first job otherwise.
    pub on_conflict: Option<&'static str>,
    /// What follows it, as `queue.enqueue` takes it.
    pub chain: Option<Value>,
}

impl NewJob {
    /// The statement for many has no word for some of it.
    pub fn goes_alone(&self) -> bool {
        self.key_scope.is_some() || self.on_conflict.is_some() || self.chain.is_some()
    }
}

/// What became of one job of many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// Accepted, or known before by its key.
    Accepted {
        /// Its id.
        job: JobId,
        /// Its key named a job already: this one.
        deduplicated: bool,
    },
    /// Refused: `SQLSTATE|field|sentence|hint`.
    Refused(String),
}

/// Offers jobs of one team to the queue. Each is answered for itself, in order; all that are accepted commit together.
pub async fn enqueue_each(conn: &mut PgConnection, team: TeamId, jobs: &[&NewJob]) -> Result<Vec<Taken>, sqlx::Error> {
    let kinds: Vec<String> = jobs.iter().map(|job| job.kind.clone()).collect();
    let payloads: Vec<Value> = jobs.iter().map(|job| job.payload.clone()).collect();
    let keys: Vec<Option<String>> = jobs.iter().map(|job| job.key.clone()).collect();
    let run_ats: Vec<Option<DateTime<Utc>>> = jobs.iter().map(|job| job.run_at).collect();
    let priorities: Vec<Option<i16>> = jobs.iter().map(|job| job.priority).collect();
    let correlations: Vec<Option<String>> = jobs.iter().map(|job| job.correlation.clone()).collect();
    let limit_keys: Vec<Option<String>> = jobs.iter().map(|job| Some(job.limit.as_ref()?.key.clone())).collect();
    let limit_tos: Vec<Option<i32>> = jobs.iter().map(|job| Some(job.limit.as_ref()?.at_once)).collect();
    let rows = sqlx::query_file!(
        "src/store/jobs/enqueue_each.sql",
        team.0.to_string(),
        &kinds,
        &payloads,
        &keys as &[Option<String>],
        &run_ats as &[Option<DateTime<Utc>>],
        &priorities as &[Option<i16>],
        &correlations as &[Option<String>],
        &limit_keys as &[Option<String>],
        &limit_tos as &[Option<i32>],
    )
    .fetch_all(conn)
    .await?;
    let taken = rows.into_iter().map(|row| match (row.job_id, row.problem) {
        (Some(id), None) => Taken::Accepted { job: JobId(id), deduplicated: row.deduplicated },
        (_, problem) => Taken::Refused(problem.unwrap_or_else(|| "||the job was not accepted|".into())),
    });
    let taken: Vec<Taken> = taken.collect();
    for (job, taken) in jobs.iter().zip(&taken) {
        if let Taken::Accepted { deduplicated, .. } = taken {
            count(job, *deduplicated);
        }
    }
    Ok(taken)
}

/// Offers one job to the queue, with all that may be said of it: a third of what the statement for many costs. Refusals have
/// an SQLSTATE of class LS.
pub async fn enqueue(conn: &mut PgConnection, team: TeamId, job: &NewJob) -> Result<Taken, sqlx::Error> {
    let row = sqlx::query_file!(
        "src/store/jobs/enqueue.sql",
        team.0.to_string(),
        job.kind,
        job.payload,
        job.key,
        job.run_at,
        job.priority,
        job.correlation,
        job.key_scope,
        job.on_conflict,
        job.limit.as_ref().map(|limit| limit.key.as_str()),
        job.limit.as_ref().map(|limit| limit.at_once),
        job.chain,
    )
    .fetch_one(conn)
    .await?;
    count(job, row.deduplicated);
    Ok(Taken::Accepted { job: JobId(row.job_id), deduplicated: row.deduplicated })
}

fn count(job: &NewJob, deduplicated: bool) {
    let repeated = usize::from(deduplicated);
    telemetry::jobs_enqueued(&job.kind, Source::Http, 1 - repeated, repeated);
}

/// Cancels a job; `None` when the team has no such job. The answer is that of `queue.cancel` (migration 0004).
pub async fn cancel(conn: &mut PgConnection, team: TeamId, job: JobId, by: &str) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_file_scalar!("src/store/jobs/cancel.sql", team.0.to_string(), job.0, by).fetch_one(conn).await
}
