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
