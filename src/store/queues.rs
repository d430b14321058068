//! Queues as an operator sees them: depths as last measured, and the pause.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;

/// A queue.
#[derive(Debug, Clone, Serialize)]
pub struct Queue {
    /// Its name.
    pub name: String,
    /// Jobs that may run now. `None`: never measured.
    pub ready: Option<i64>,
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

/// Stops claiming from a queue; false when there is none of that name.
pub async fn pause(conn: &mut PgConnection, queue: &str, by: &str, reason: Option<&str>) -> Result<bool, sqlx::Error> {
    sqlx::query_file_scalar!("src/store/queues/pause.sql", queue, by, reason).fetch_one(conn).await
}

/// Lets claiming from a queue go on; false when there is none of that name.
pub async fn resume(conn: &mut PgConnection, queue: &str) -> Result<bool, sqlx::Error> {
    sqlx::query_file_scalar!("src/store/queues/resume.sql", queue).fetch_one(conn).await
}
