//! Quotas: what a team may have waiting, running and starting, beside what it has. All figures are kept or measured ones, so
//! that looking costs nothing.

use chrono::{DateTime, Utc};
use longshore_workers::ids::TeamId;
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;

/// A team's quotas.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Quotas {
    /// In each queue, by name.
    pub queues: Vec<QueueQuota>,
    /// Rates that its jobs share by name, its own and those of every team.
    pub rates: Vec<RateQuota>,
}

/// What a team may have in a queue. Where it has nothing of its own, what every team has; `null`: no limit.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct QueueQuota {
    /// The queue.
    pub queue: String,
    /// Waiting and running jobs; one more is refused.
    pub unfinished_most: Option<i64>,
    /// Waiting and running jobs as last measured; left out where no cap asks for it.
    pub unfinished: Option<i64>,
    /// When that was measured.
    pub measured_at: Option<DateTime<Utc>>,
    /// Jobs that run at once.
    pub running_most: Option<i32>,
    /// Jobs that start in a second.
    pub per_second: Option<f64>,
    /// Of which so many at once.
    pub burst: Option<i32>,
    /// Its turn against other teams'.
    pub weight: i16,
    /// Some of it is set for this team alone.
    pub own: bool,
}

/// A rate that jobs share by name.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct RateQuota {
    /// Its name.
    pub name: String,
    /// How many a second.
    pub per_second: f64,
    /// Of which so many at once.
    pub burst: i32,
}

/// What a team may have, and what it has. `conn` is the operator's, or under the team's row-level security.
pub async fn show(conn: &mut PgConnection, team: TeamId) -> Result<Quotas, sqlx::Error> {
    let queues = sqlx::query_file_as!(QueueQuota, "src/tenancy/quotas/queues.sql", team.0).fetch_all(&mut *conn).await?;
    let rates = sqlx::query_file_as!(RateQuota, "src/tenancy/quotas/rates.sql", team.0).fetch_all(conn).await?;
    Ok(Quotas { queues, rates })
}
