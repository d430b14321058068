//! The statements by which a process takes part in the queue. Each is one call of a function in `migrations/`.

use std::time::Duration;

use longshore_workers::{
    ctx::{Claim, Lease},
    ids::{JobId, TeamId},
    registry::Registry,
};
use serde_json::Value;
use sqlx::{PgConnection, postgres::types::PgInterval};
use uuid::Uuid;

use crate::queue::{execute::Claimed, settle::Verdict};

/// Announces the kinds this build can run.
pub async fn register(conn: &mut PgConnection, registry: &Registry) -> Result<(), sqlx::Error> {
    sqlx::query_file!("src/store/jobs/register.sql", registry.announcement()).fetch_one(conn).await?;
    Ok(())
}

/// Claims up to `slots` jobs of a queue, hopping over teams from behind `after`.
pub async fn claim(
    conn: &mut PgConnection,
    boot: Uuid,
    queue: &str,
    slots: i32,
    after: Uuid,
    kinds: &[String],
) -> Result<Vec<Claimed>, sqlx::Error> {
    let rows = sqlx::query_file!("src/store/jobs/claim.sql", boot, queue, slots, after, kinds).fetch_all(conn).await?;
    let claimed = rows.into_iter().map(|row| Claimed {
        claim: Claim {
            job: JobId(row.job_id),
            team: TeamId(row.team_id),
            kind: row.kind,
            attempt: row.attempt,
            max_attempts: row.max_attempts,
            correlation: row.correlation_id,
            created_at: row.created_at,
            lease: Lease { boot, fence: row.fence },
        },
        version: row.version,
        payload: row.payload,
        claimed_at: row.claimed_at,
        cancelled: row.cancelled,
    });
    Ok(claimed.collect())
}

/// A job and what became of it, under the fence of its lease.
#[derive(Debug, Clone)]
pub struct Settled {
    /// The job.
    pub job: JobId,
    /// Its queue.
    pub queue: &'static str,
    /// The fencing token under which it ran.
    pub fence: i64,
    /// What became of it.
    pub verdict: Verdict,
}

/// Finishes jobs that are done without output. Returns those accepted; the rest were fenced.
pub async fn finish(conn: &mut PgConnection, boot: Uuid, settled: &[Settled]) -> Result<Vec<JobId>, sqlx::Error> {
    let (fences, jobs): (Vec<i64>, Vec<i64>) = settled.iter().map(|one| (one.fence, one.job.0)).unzip();
    let accepted = sqlx::query_file_scalar!("src/store/jobs/finish.sql", boot, &fences, &jobs).fetch_all(conn).await?;
    Ok(accepted.into_iter().map(JobId).collect())
}

/// Settles jobs, each by its own verdict. Returns those accepted; the rest were fenced.
pub async fn settle(conn: &mut PgConnection, boot: Uuid, settled: &[Settled]) -> Result<Vec<JobId>, sqlx::Error> {
    let mut fences = Vec::new();
    let mut jobs = Vec::new();
    let mut verdicts = Vec::new();
    let mut delays: Vec<Option<PgInterval>> = Vec::new();
    let mut details: Vec<Option<String>> = Vec::new();
    let mut outputs: Vec<Option<Value>> = Vec::new();
    for one in settled {
        let (delay, detail, output) = match one.verdict.clone() {
            Verdict::Nothing => continue,
            Verdict::Done { output } => (None, None, output),
            Verdict::Retry { delay, error } => (Some(delay), Some(error), None),
            Verdict::Snooze { delay, reason } => (Some(delay), Some(reason), None),
            Verdict::Unknown { delay, intent } => (Some(delay), Some(intent), None),
            Verdict::Park { reason } => (None, Some(reason), None),
            Verdict::Dead { error } => (None, Some(error), None),
            Verdict::Cancelled => (None, Some("cancelled while it ran".into()), None),
            Verdict::Released => (None, None, None),
        };
        fences.push(one.fence);
        jobs.push(one.job.0);
        verdicts.push(one.verdict.name().to_owned());
        delays.push(delay.map(interval));
        // A NUL can't be stored as text.
        details.push(detail.map(|text| text.replace('\0', "\u{fffd}")));
        outputs.push(output);
    }
    if jobs.is_empty() {
        return Ok(Vec::new());
    }
    let accepted = sqlx::query_file_scalar!(
        "src/store/jobs/settle.sql",
        boot,
        &fences,
        &jobs,
        &verdicts,
        &delays as &[Option<PgInterval>],
        &details as &[Option<String>],
        &outputs as &[Option<Value>],
    )
    .fetch_all(conn)
    .await?;
    Ok(accepted.into_iter().map(JobId).collect())
}

/// Hands back, unrun, what this process holds under fences it does not know of. Returns how many jobs.
pub async fn disown(conn: &mut PgConnection, boot: Uuid, known: &[i64]) -> Result<i32, sqlx::Error> {
    sqlx::query_file_scalar!("src/store/jobs/disown.sql", boot, known).fetch_one(conn).await
}

/// Makes due scheduled jobs ready; returns how many.
pub async fn promote(conn: &mut PgConnection, most: i32) -> Result<i32, sqlx::Error> {
    sqlx::query_file_scalar!("src/store/jobs/promote.sql", most).fetch_one(conn).await
}

/// What a reaping found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reaped {
    /// Jobs whose process was gone.
    pub lost: i32,
    /// Of those, jobs at their last attempt, now dead.
    pub buried: i32,
}

/// Hands back the jobs of processes that are gone.
pub async fn reap(conn: &mut PgConnection, most: i32) -> Result<Reaped, sqlx::Error> {
    sqlx::query_file_as!(Reaped, "src/store/jobs/reap.sql", most).fetch_one(conn).await
}

pub(super) fn interval(duration: Duration) -> PgInterval {
    // Five centuries: as good as never, and safe to convert.
    let capped = duration.min(Duration::from_secs(500 * 365 * 86400));
    PgInterval { months: 0, days: 0, microseconds: capped.as_micros() as i64 }
}
