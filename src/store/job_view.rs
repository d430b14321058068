//! A job as somebody asks for it: where it is, why, and what happened to it. Row-level security decides who sees it.

use std::fmt;

use chrono::{DateTime, NaiveDate, Utc};
use longshore_workers::ids::{JobId, TeamId};
use serde::Serialize;
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use super::watch::Mark;

/// Where a job is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// Accepted, and not running now: see the reason.
    Waiting,
    /// In a worker's hands.
    Running,
    /// Ended well.
    Done,
    /// Ended as a dead letter.
    Dead,
    /// Ended because somebody wanted it so.
    Cancelled,
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Done => "done",
            Self::Dead => "dead",
            Self::Cancelled => "cancelled",
        })
    }
}

/// A job, wherever it is.
#[derive(Debug, Clone, Serialize)]
pub struct JobView {
    /// Its id.
    pub id: JobId,
    /// Whose it is.
    pub team: TeamId,
    /// What it does.
    pub kind: String,
    /// The queue it runs in.
    pub queue: String,
    /// The version its payload was written in.
    pub version: i16,
    /// 0 first, 9 last.
    pub priority: i16,
    /// Where it is in its life.
    pub state: JobState,
    /// Why it is there: for a waiting job `ready`, `delayed`, `retry`, `snoozed`, `unknown`, `parked`, `blocked` (its key's
    /// limit is reached) or `suspect` (its process died: it runs alone next time); for a running
    /// one `cancelling`; for a dead one `discarded` when it was given up.
    pub reason: Option<String>,
    /// The reason in words: the error behind a retry or a dead letter, what a snoozed or parked job waits for.
    pub detail: Option<String>,
    /// The attempt it is in, or the last it made; 0 before the first.
    pub attempt: i16,
    /// It is dead after this many.
    pub max_attempts: i16,
    /// When it runs next, where that is decided.
    pub run_at: Option<DateTime<Utc>>,
    /// When it was accepted.
    pub created_at: DateTime<Utc>,
    /// When its present or last attempt began.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
    /// The process that runs it.
    pub process: Option<Uuid>,
    /// What it was asked to do.
    pub payload: Value,
    /// What its handler gave back.
    pub output: Option<Value>,
    /// Units of work done so far.
    pub progress_done: Option<i64>,
    /// Units of work in all, where the handler knows.
    pub progress_total: Option<i64>,
    /// Ties it to the request that caused it.
    pub correlation_id: Option<String>,
    /// The job whose handler enqueued it.
    pub parent: Option<JobId>,
    /// The dead letter it repeats.
    pub replay_of: Option<JobId>,
    /// The job that repeats this dead letter.
    pub replayed_as: Option<JobId>,
    /// The first job of that lineage.
    pub root: Option<JobId>,
}

impl JobView {
    /// How it looks, for those who wait for a change.
    pub fn mark(&self) -> Mark {
        Mark { place: place(self.state, self.reason.as_deref(), self.attempt), done: self.progress_done.unwrap_or(0) }
    }
}

impl JobState {
    /// It will not change any more.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Done | Self::Dead | Self::Cancelled)
    }
}

/// What makes two looks at a job differ. What was done about a job after its end is no part of it, nor how often it failed
/// before it became ready again.
pub(super) fn place(state: JobState, reason: Option<&str>, attempt: i16) -> String {
    match (state, reason) {
        (JobState::Waiting, None | Some("ready")) => "waiting-ready".into(),
        (JobState::Waiting, Some(why)) => format!("waiting-{why}-{attempt}"),
        (JobState::Running, None) => format!("running-{attempt}"),
        (JobState::Running, Some(why)) => format!("running-{why}-{attempt}"),
        (ended, _) => ended.to_string(),
    }
}

/// The job of that id, if this role may see it.
pub async fn find(conn: &mut PgConnection, job: JobId) -> Result<Option<JobView>, sqlx::Error> {
    let Some(row) = sqlx::query_file!("src/store/job_view/find.sql", job.0).fetch_optional(conn).await? else {
        return Ok(None);
    };
    let (state, reason) = match (row.outcome, &row.waits_for, row.running_attempt) {
        (Some(1), ..) => (JobState::Done, None),
        (Some(3), ..) => (JobState::Cancelled, None),
        (Some(_), ..) => (JobState::Dead, row.discarded_at.map(|_| "discarded".to_owned())),
        (None, Some(why), _) => (JobState::Waiting, Some(why.clone())),
        (None, None, Some(_)) => (JobState::Running, row.cancelling.then(|| "cancelling".to_owned())),
        (None, None, None) => (JobState::Waiting, Some("ready".to_owned())),
    };
    let ended_attempt = row.ended_attempt.max(row.failed_attempt);
    Ok(Some(JobView {
        id: JobId(row.id),
        team: row.team,
        kind: row.kind,
        queue: row.queue,
        version: row.version,
        priority: row.priority,
        state,
        reason,
        detail: row.detail.or(row.last_error),
        attempt: row.running_attempt.or(row.waiting_attempt).or(ended_attempt).unwrap_or(0),
        max_attempts: row.max_attempts,
        run_at: row.run_at,
        created_at: row.created_at,
        started_at: row.claimed_at.or(row.ended_claim),
        finished_at: row.finished_at,
        process: row.process,
        payload: row.payload,
        output: row.output,
        progress_done: row.progress_done,
        progress_total: row.progress_total,
        correlation_id: row.correlation_id,
        parent: row.parent_id.map(JobId),
        replay_of: row.replay_of.map(JobId),
        replayed_as: row.replayed_as.map(JobId),
        root: row.root_id.map(JobId),
    }))
}

/// What is known of a job whose history was dropped: nothing of itself, but for a dead letter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Gone {
    /// It died, and its dead letter is kept, whole.
    pub dead_letter: bool,
    /// The jobs among which it was, if it ever was: what their history was reduced to when it was dropped.
    pub among: Vec<Dropped>,
}

/// Jobs of one kind that ended on one day in one way, and whose history was dropped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Dropped {
    /// Whose.
    #[serde(skip)]
    pub team: TeamId,
    /// The day they ended, in UTC.
    pub day: NaiveDate,
    /// Their kind.
    pub kind: String,
    /// `done`, `dead` or `cancelled`.
    pub outcome: String,
    /// How many there were.
    pub jobs: i64,
    /// The first of them.
    #[schema(value_type = String, example = "job_1")]
    pub first_job: JobId,
    /// The last of them.
    #[schema(value_type = String, example = "job_99")]
    pub last_job: JobId,
    /// When their history was dropped.
    pub dropped_at: DateTime<Utc>,
}

/// What is known of a job that [`find`] does not find; `None` where nothing this role may see was dropped around its id.
/// The ids of a team's jobs are not in a row: that an id lies among them does not say whose it was.
pub async fn gone(conn: &mut PgConnection, job: JobId) -> Result<Option<Gone>, sqlx::Error> {
    let among = sqlx::query_file_as!(Dropped, "src/store/job_view/gone.sql", job.0).fetch_all(&mut *conn).await?;
    let dead_letter = sqlx::query_file_scalar!("src/store/job_view/letter.sql", job.0).fetch_one(conn).await?;
    Ok((dead_letter || !among.is_empty()).then_some(Gone { dead_letter, among }))
}

/// An attempt that did not succeed.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct Attempt {
    /// Which one, counted from 1; 0 when the job was cancelled before it ran.
    pub attempt: i16,
    /// `retry`, `dead`, `lost` (its process was gone) or `cancelled`.
    pub result: String,
    /// What went wrong.
    pub error: Option<String>,
    /// When it began.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub ended_at: DateTime<Utc>,
    /// The process that ran it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process: Option<Uuid>,
}

/// Every attempt of a job that did not succeed, oldest first.
pub async fn attempts(conn: &mut PgConnection, job: JobId) -> Result<Vec<Attempt>, sqlx::Error> {
    sqlx::query_file_as!(Attempt, "src/store/job_view/attempts.sql", job.0).fetch_all(conn).await
}
