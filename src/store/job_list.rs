//! Jobs as an operator sees them: the newest first, by state, over all teams.

use chrono::{DateTime, Utc};
use longshore_workers::ids::{JobId, TeamId};
use serde::Serialize;
use serde_json::Value;
use sqlx::PgConnection;

use super::job_view::JobState;

/// Which jobs. What is `None` does not narrow.
#[derive(Debug, Clone, Copy, Default)]
pub struct Filter<'a> {
    /// In this state.
    pub state: Option<JobState>,
    /// Of one team.
    pub team: Option<TeamId>,
    /// Of one kind.
    pub kind: Option<&'a str>,
    /// Of one queue ([`queue_id`]).
    pub queue: Option<i16>,
    /// Older than this one.
    pub after: Option<JobId>,
}

/// A job in a list.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// The job.
    pub id: JobId,
    /// Its team.
    pub team_id: TeamId,
    /// Its team's name.
    pub team: String,
    /// Its kind.
    pub kind: String,
    /// Its queue.
    pub queue: String,
    /// Where it is in its life.
    pub state: JobState,
    /// What a waiting job waits for: `ready`, `delayed`, `retry`, `snoozed`, `unknown`, `parked`, `blocked` or `suspect`.
    pub reason: Option<String>,
    /// The attempt it is in, or the last it made.
    pub attempt: i16,
    /// When it was accepted.
    pub created_at: DateTime<Utc>,
    /// When a waiting job runs, where that is decided.
    pub run_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
}

/// A page of jobs, newest first. Never counts, and reads as little as the state allows.
pub async fn list(conn: &mut PgConnection, filter: &Filter<'_>, limit: i64) -> Result<Vec<Row>, sqlx::Error> {
    let ids = choose(conn, filter, limit).await?;
    rows_of(conn, filter, &ids).await
}

/// A page of one team's jobs as its own caller sees them, and the job behind which the next page begins. A page may have fewer
/// than `limit` jobs, or none, and yet not be the last: one look has a bound.
pub async fn page_of_team(
    conn: &mut PgConnection,
    team: TeamId,
    filter: &Filter<'_>,
    limit: i32,
) -> Result<(Vec<Row>, Option<JobId>), sqlx::Error> {
    let outcome: Option<i16> = match filter.state {
        Some(JobState::Done) => Some(1),
        Some(JobState::Cancelled) => Some(3),
        _ => None,
    };
    let (ids, next) = if filter.state.is_none() || outcome.is_some() {
        let after = filter.after.map(|job| job.0);
        let Filter { kind, queue, .. } = *filter;
        let newest = sqlx::query_file!("src/store/job_list/newest_of_team.sql", team.0, kind, queue, outcome, after, limit);
        let newest = newest.fetch_one(&mut *conn).await?;
        (newest.jobs, newest.reached)
    } else {
        let ids = choose(conn, &Filter { team: Some(team), ..*filter }, i64::from(limit)).await?;
        let next = ids.last().copied().filter(|_| ids.len() as i64 == i64::from(limit));
        (ids, next)
    };
    Ok((rows_of(conn, filter, &ids).await?, next.map(JobId)))
}

async fn rows_of(conn: &mut PgConnection, filter: &Filter<'_>, ids: &[i64]) -> Result<Vec<Row>, sqlx::Error> {
    let rows = sqlx::query_file!("src/store/job_list/rows.sql", ids).fetch_all(conn).await?;
    let seen = rows.into_iter().map(|row| {
        let (state, reason) = match (row.outcome, row.waits_for, row.running) {
            (Some(1), ..) => (JobState::Done, None),
            (Some(3), ..) => (JobState::Cancelled, None),
            (Some(_), ..) => (JobState::Dead, None),
            (None, Some(why), _) => (JobState::Waiting, Some(why)),
            (None, None, true) => (JobState::Running, None),
            (None, None, false) => (JobState::Waiting, Some("ready".into())),
        };
        Row {
            id: row.id,
            team_id: row.team_id,
            team: row.team,
            kind: row.kind,
            queue: row.queue,
            state,
            reason,
            attempt: row.attempt,
            created_at: row.created_at,
            run_at: row.run_at,
            finished_at: row.finished_at,
        }
    });
    // Between the choice and the look a job may have moved on.
    Ok(seen.filter(|row| filter.state.is_none_or(|state| row.state == state)).collect())
}

async fn choose(conn: &mut PgConnection, filter: &Filter<'_>, limit: i64) -> Result<Vec<i64>, sqlx::Error> {
    let team = filter.team.map(|team| team.0);
    let after = filter.after.map(|job| job.0);
    let Filter { kind, queue, .. } = *filter;
    match filter.state {
        None => {
            let newest = sqlx::query_file_scalar!("src/store/job_list/newest.sql", team, kind, queue, after, limit);
            newest.fetch_all(conn).await
        }
        Some(JobState::Waiting) => {
            let waiting = sqlx::query_file_scalar!("src/store/job_list/waiting.sql", team, kind, queue, after, limit);
            waiting.fetch_all(conn).await
        }
        Some(JobState::Running) => {
            let running = sqlx::query_file_scalar!("src/store/job_list/running.sql", team, kind, queue, after, limit);
            running.fetch_all(conn).await
        }
        Some(JobState::Dead) => {
            sqlx::query_file_scalar!("src/store/job_list/dead.sql", team, kind, queue, after, limit).fetch_all(conn).await
        }
        Some(ended @ (JobState::Done | JobState::Cancelled)) => {
            let outcome: i16 = if ended == JobState::Done { 1 } else { 3 };
            let ended = sqlx::query_file_scalar!("src/store/job_list/ended.sql", team, kind, queue, after, limit, outcome);
            ended.fetch_all(conn).await
        }
    }
}

/// The id of a queue, for [`Filter::queue`].
pub async fn queue_id(conn: &mut PgConnection, name: &str) -> Result<Option<i16>, sqlx::Error> {
    sqlx::query_file_scalar!("src/store/job_list/queue_id.sql", name).fetch_optional(conn).await
}

/// Whose a job is.
pub async fn team_of(conn: &mut PgConnection, job: JobId) -> Result<Option<TeamId>, sqlx::Error> {
    sqlx::query_file_scalar!("src/store/job_list/team_of.sql", job.0).fetch_optional(conn).await
}

/// A job to accept.
#[derive(Debug, Clone)]
pub struct Wanted<'a> {
    /// Its kind.
    pub kind: &'a str,
    /// Its payload.
    pub payload: &'a Value,
    /// The same key gives one job.
    pub key: Option<&'a str>,
    /// Not before this moment.
    pub run_at: Option<DateTime<Utc>>,
    /// 0 first, 9 last.
    pub priority: Option<i16>,
    /// Ties it to what caused it.
    pub correlation: Option<&'a str>,
}

/// Accepts a job; true beside the id of one that the key had named before.
pub async fn enqueue(conn: &mut PgConnection, team: TeamId, job: &Wanted<'_>) -> Result<(JobId, bool), sqlx::Error> {
    let Wanted { kind, payload, key, run_at, priority, correlation } = *job;
    let accepted = sqlx::query_file!("src/store/job_list/enqueue.sql", team.0, kind, payload, key, run_at, priority, correlation)
        .fetch_one(conn)
        .await?;
    Ok((accepted.job, accepted.deduplicated))
}
