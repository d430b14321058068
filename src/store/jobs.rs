//! The statements by which a process takes part in the queue. Each is one call of a function in `migrations/`.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use longshore_workers::{
    ctx::{Claim, Lease},
    ids::{JobId, TeamId},
    registry::Registry,
};
use serde_json::{Value, value::RawValue};
use sqlx::{PgConnection, postgres::types::PgInterval};
use uuid::Uuid;

use crate::queue::{execute::Claimed, settle::Verdict};

/// Announces the kinds this build can run.
pub async fn register(conn: &mut PgConnection, registry: &Registry) -> Result<(), sqlx::Error> {
    sqlx::query_file!("src/store/jobs/register.sql", registry.announcement()).fetch_one(conn).await?;
    Ok(())
}

/// Where a claimer is on its way over the teams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Hop {
    /// The team it got last.
    pub after: Uuid,
    /// How many jobs of that team it got in a row.
    pub streak: i32,
}

impl Hop {
    /// Where it is after a claim that brought `jobs`.
    pub fn past(self, jobs: &[Claimed]) -> Self {
        let Some(last) = jobs.last() else { return self };
        let after = last.claim.team.0;
        let run = jobs.iter().rev().take_while(|job| job.claim.team.0 == after).count();
        let before = if after == self.after && run == jobs.len() { self.streak } else { 0 };
        Self { after, streak: before.saturating_add(i32::try_from(run).unwrap_or(i32::MAX)) }
    }
}

/// The place in a lane where a claim took its last lease. A claim that is given marks looks at those lanes from there on only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// The lane's team.
    pub team: Uuid,
    /// The lane's kind.
    pub kind: Arc<str>,
    /// The priority of what was taken.
    pub priority: i16,
    /// Its first job.
    pub job: i64,
}

/// What a claim brought.
#[derive(Debug, Default)]
pub struct Claims {
    /// Its jobs, team by team.
    pub jobs: Vec<Claimed>,
    /// A mark for each lease.
    pub marks: Vec<Mark>,
}

/// Claims up to `slots` jobs of a queue, hopping over teams from where the last claim ended.
pub async fn claim(
    conn: &mut PgConnection,
    boot: Uuid,
    queue: &str,
    slots: i32,
    from: Hop,
    kinds: &[String],
    marks: &[Mark],
) -> Result<Claims, sqlx::Error> {
    let Hop { after, streak } = from;
    let mark_teams: Vec<_> = marks.iter().map(|mark| mark.team).collect();
    let mark_kinds: Vec<_> = marks.iter().map(|mark| mark.kind.to_string()).collect();
    let mark_priorities: Vec<_> = marks.iter().map(|mark| mark.priority).collect();
    let mark_jobs: Vec<_> = marks.iter().map(|mark| mark.job).collect();
    let leases = sqlx::query_file_as!(
        Leased,
        "src/store/jobs/claim.sql",
        boot,
        queue,
        slots,
        after,
        kinds,
        streak,
        &mark_teams,
        &mark_kinds,
        &mark_priorities,
        &mark_jobs,
    )
    .fetch_all(conn)
    .await?;
    let mut claims = Claims::default();
    for lease in leases {
        let kind: Arc<str> = lease.kind.as_str().into();
        if let Some(job) = lease.jobs.first() {
            claims.marks.push(Mark { team: lease.team_id, kind: kind.clone(), priority: lease.priority, job: *job });
        }
        claims.jobs.extend(lease.claimed(boot, &kind));
    }
    Ok(claims)
}

/// Claims one job that is suspected of killing processes; the caller runs nothing beside it.
pub async fn claim_suspect(
    conn: &mut PgConnection,
    boot: Uuid,
    queues: &[String],
    kinds: &[String],
) -> Result<Option<Claimed>, sqlx::Error> {
    let row = sqlx::query_file_as!(Row, "src/store/jobs/claim_suspect.sql", boot, queues, kinds).fetch_optional(conn).await?;
    Ok(row.map(|row| row.claimed(boot)))
}

/// Whether suspects wait that this build could run.
pub async fn has_suspects(conn: &mut PgConnection, queues: &[String], kinds: &[String]) -> Result<bool, sqlx::Error> {
    sqlx::query_file_scalar!("src/store/jobs/has_suspects.sql", queues, kinds).fetch_one(conn).await
}

/// Read as it stands: what a payload means, its kind says.
type Payload = sqlx::types::Json<Box<RawValue>>;

/// A lease with its jobs, in arrays that run in parallel.
struct Leased {
    fence: i64,
    team_id: Uuid,
    kind: String,
    priority: i16,
    attempt: i16,
    claimed_at: DateTime<Utc>,
    special: bool,
    jobs: Vec<i64>,
    versions: Vec<i16>,
    max_attempts: Vec<i16>,
    payloads: Vec<Payload>,
    correlation_ids: Vec<Option<String>>,
    created_ats: Vec<DateTime<Utc>>,
    cancelled: Vec<i64>,
}

impl Leased {
    fn claimed(self, boot: Uuid, kind: &Arc<str>) -> impl Iterator<Item = Claimed> {
        let Self { fence, team_id, attempt, claimed_at, special, cancelled, .. } = self;
        let dates = self.versions.into_iter().zip(self.max_attempts).zip(self.created_ats);
        let texts = self.payloads.into_iter().zip(self.correlation_ids);
        self.jobs.into_iter().zip(dates).zip(texts).map(
            move |((job, ((version, max_attempts), created_at)), (payload, correlation))| Claimed {
                claim: Claim {
                    job: JobId(job),
                    team: TeamId(team_id),
                    kind: kind.clone(),
                    attempt,
                    max_attempts,
                    correlation,
                    created_at,
                    lease: Lease { boot, fence },
                },
                version,
                payload: payload.0,
                claimed_at,
                cancelled: cancelled.contains(&job),
                special,
            },
        )
    }
}

struct Row {
    fence: i64,
    job_id: i64,
    team_id: Uuid,
    kind: String,
    version: i16,
    attempt: i16,
    max_attempts: i16,
    payload: Payload,
    correlation_id: Option<String>,
    created_at: DateTime<Utc>,
    claimed_at: DateTime<Utc>,
    cancelled: bool,
    special: bool,
}

impl Row {
    fn claimed(self, boot: Uuid) -> Claimed {
        Claimed {
            claim: Claim {
                job: JobId(self.job_id),
                team: TeamId(self.team_id),
                kind: self.kind.into(),
                attempt: self.attempt,
                max_attempts: self.max_attempts,
                correlation: self.correlation_id,
                created_at: self.created_at,
                lease: Lease { boot, fence: self.fence },
            },
            version: self.version,
            payload: self.payload.0,
            claimed_at: self.claimed_at,
            cancelled: self.cancelled,
            special: self.special,
        }
    }
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
    /// More than its end depends on it ([`Claimed::special`]).
    pub special: bool,
    /// What became of it.
    pub verdict: Verdict,
}

/// What somebody holds of a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holding {
    /// How many jobs.
    pub jobs: usize,
    /// One of them.
    pub one: JobId,
}

/// Finishes leases whose jobs are all done without output: a fence, and what the caller has of it. Returns the fences of those
/// that had as many open, and that one; the others are left as they are, for [`finish`].
pub async fn finish_leases(conn: &mut PgConnection, boot: Uuid, leases: &[(i64, Holding)]) -> Result<Vec<i64>, sqlx::Error> {
    let fences: Vec<_> = leases.iter().map(|(fence, _)| *fence).collect();
    let counts: Vec<_> = leases.iter().map(|(_, held)| i32::try_from(held.jobs).unwrap_or(i32::MAX)).collect();
    let jobs: Vec<_> = leases.iter().map(|(_, held)| held.one.0).collect();
    sqlx::query_file_scalar!("src/store/jobs/finish_leases.sql", boot, &fences, &counts, &jobs).fetch_one(conn).await
}

/// Finishes jobs that are done without output. Returns those accepted; the rest were fenced.
/// `done`: each job's fence and id, in order.
pub async fn finish(conn: &mut PgConnection, boot: Uuid, done: Vec<(i64, i64)>) -> Result<Vec<JobId>, sqlx::Error> {
    let (fences, jobs): (Vec<i64>, Vec<i64>) = done.into_iter().unzip();
    let accepted = sqlx::query_file_scalar!("src/store/jobs/finish.sql", boot, &fences, &jobs).fetch_one(conn).await?;
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

/// Makes jobs ready whose key has room again; returns how many.
pub async fn unblock(conn: &mut PgConnection) -> Result<i32, sqlx::Error> {
    sqlx::query_file_scalar!("src/store/jobs/unblock.sql").fetch_one(conn).await
}

/// Adds up what moved in batches; returns how many have ended.
pub async fn fold_batches(conn: &mut PgConnection) -> Result<i32, sqlx::Error> {
    sqlx::query_file_scalar!("src/store/jobs/fold_batches.sql").fetch_one(conn).await
}

/// What a reaping found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reaped {
    /// Jobs whose process was gone; they run alone next time.
    pub lost: i32,
    /// Of those, jobs at their last attempt, now dead.
    pub buried: i32,
}

/// Hands back the jobs of processes that are gone.
pub async fn reap(conn: &mut PgConnection, most: i32) -> Result<Reaped, sqlx::Error> {
    sqlx::query_file_as!(Reaped, "src/store/jobs/reap.sql", most).fetch_one(conn).await
}

pub(crate) fn interval(duration: Duration) -> PgInterval {
    // Five centuries: as good as never, and safe to convert.
    let capped = duration.min(Duration::from_secs(500 * 365 * 86400));
    PgInterval { months: 0, days: 0, microseconds: capped.as_micros() as i64 }
}
