//! Queues as an operator sees them: depths as last measured, and the pause.

use chrono::{DateTime, Utc};
use longshore_workers::ids::TeamId;
use serde::Serialize;
use sqlx::PgConnection;

/// A queue.
#[derive(Debug, Clone, Serialize)]
pub struct Queue {
    /// Its name.
    pub name: String,
    /// For how many days its finished jobs are kept.
    pub history_days: i16,
    /// Jobs that may run now. `None`: never measured.
    pub ready: Option<i64>,
    /// Jobs whose key's limit is reached.
    pub blocked: Option<i64>,
    /// Jobs whose time has not come.
    pub scheduled: Option<i64>,
    /// Jobs that wait for somebody or something.
    pub parked: Option<i64>,
    /// Jobs that run.
    pub running: Option<i64>,
    /// Open dead letters.
    pub dead: Option<i64>,
    /// Since when the oldest ready job waits.
    pub oldest_ready_at: Option<DateTime<Utc>>,
    /// When the depths were counted.
    pub measured_at: Option<DateTime<Utc>>,
    /// Since when nothing is claimed from it.
    pub paused_at: Option<DateTime<Utc>>,
    /// Who paused it.
    pub paused_by: Option<String>,
    /// Why.
    pub paused_reason: Option<String>,
}

/// All queues, by name.
pub async fn list(conn: &mut PgConnection) -> Result<Vec<Queue>, sqlx::Error> {
    sqlx::query_file_as!(Queue, "src/store/queues/list.sql").fetch_all(conn).await
}

/// What one team has in a queue.
#[derive(Debug, Clone, Serialize)]
pub struct Share {
    /// The queue.
    pub name: String,
    /// Jobs that may run now.
    pub ready: i64,
    /// Jobs whose key's limit is reached.
    pub blocked: i64,
    /// Jobs whose time has not come.
    pub scheduled: i64,
    /// Jobs that wait for somebody or something.
    pub parked: i64,
    /// Jobs that run.
    pub running: i64,
    /// Open dead letters.
    pub dead: i64,
    /// Since when the oldest ready job waits.
    pub oldest_ready_at: Option<DateTime<Utc>>,
}

/// Queues by name, behind `after`, with what a team has in them, and when that was measured.
pub async fn of_team(
    conn: &mut PgConnection,
    team: TeamId,
    after: Option<&str>,
    limit: i64,
) -> Result<(Vec<Share>, Option<DateTime<Utc>>), sqlx::Error> {
    let shares = sqlx::query_file_as!(Share, "src/store/queues/of_team.sql", team.0, after, limit).fetch_all(&mut *conn).await?;
    let measured_at = sqlx::query_file_scalar!("src/store/queues/measured_at.sql").fetch_one(conn).await?;
    Ok((shares, measured_at))
}

/// A pause of a team or a kind, in one queue or in all.
#[derive(Debug, Clone, Serialize)]
pub struct Pause {
    /// The queue; `None` is every one.
    pub queue: Option<String>,
    /// The team; `None` is every one.
    pub team_id: Option<TeamId>,
    /// The team's name.
    pub team: Option<String>,
    /// The kind; `None` is every one.
    pub kind: Option<String>,
    /// Since when.
    pub paused_at: DateTime<Utc>,
    /// Who paused it.
    pub paused_by: Option<String>,
    /// Why.
    pub reason: Option<String>,
}

/// Every pause that is not simply a queue's, which [`list`] shows.
pub async fn pauses(conn: &mut PgConnection) -> Result<Vec<Pause>, sqlx::Error> {
    sqlx::query_file_as!(Pause, "src/store/queues/pauses.sql").fetch_all(conn).await
}

/// Sets for how many days a queue's finished jobs are kept; false when there is no such queue.
pub async fn keep(conn: &mut PgConnection, queue: &str, days: i16) -> Result<bool, sqlx::Error> {
    sqlx::query_file_scalar!("src/store/queues/keep.sql", queue, days).fetch_one(conn).await
}

/// What a pause takes hold of; `None` is all of them, and at least one is named.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Scope<'a> {
    /// In this queue.
    pub queue: Option<&'a str>,
    /// Of this team.
    pub team: Option<TeamId>,
    /// Of this kind.
    pub kind: Option<&'a str>,
}

/// Stops claiming, lastingly and in every process; false when there is no such queue or kind.
pub async fn pause(conn: &mut PgConnection, scope: Scope<'_>, by: &str, reason: Option<&str>) -> Result<bool, sqlx::Error> {
    let Scope { queue, team, kind } = scope;
    sqlx::query_file_scalar!("src/store/queues/pause.sql", queue, by, reason, team.map(|team| team.0), kind).fetch_one(conn).await
}

/// Takes back exactly that pause; false when there is none.
pub async fn resume(conn: &mut PgConnection, scope: Scope<'_>) -> Result<bool, sqlx::Error> {
    let Scope { queue, team, kind } = scope;
    sqlx::query_file_scalar!("src/store/queues/resume.sql", queue, team.map(|team| team.0), kind).fetch_one(conn).await
}
