//! Quotas: what a team may ask for, and have waiting, running and starting, beside what it has. All figures are kept or measured
//! ones, so that looking costs nothing.

use chrono::{DateTime, Utc};
use longshore_workers::ids::TeamId;
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;

use super::keys::{self, KeyRate};

/// A team's quotas.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Quotas {
    /// In each queue, by name.
    pub queues: Vec<QueueQuota>,
    /// Rates that its jobs share by name, its own and those of every team.
    pub rates: Vec<RateQuota>,
    /// Over HTTP.
    pub requests: RequestQuota,
}

/// What the team's keys may ask for over HTTP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct RequestQuota {
    /// Requests of one key a second, in all processes.
    pub per_second: u32,
    /// Of which so many at once.
    pub burst: u32,
    /// Keys that have a smaller rate of their own.
    pub keys: Vec<KeyRate>,
    /// Answers that one key waits for at once (`?wait=`, `/events`), in one process.
    pub waiting: u64,
    /// Bytes of a body.
    pub body_bytes: u64,
    /// Bytes of a batch's body.
    pub batch_bytes: u64,
    /// Jobs of a batch.
    pub batch_jobs: u64,
}

/// What the door gives every key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestLimits {
    /// Requests a second, in all processes.
    pub per_second: u32,
    /// Of which so many at once.
    pub burst: u32,
    /// Answers that one key waits for at once (`?wait=`, `/events`), in one process.
    pub waiting: u64,
    /// Bytes of a body.
    pub body_bytes: u64,
    /// Bytes of a batch's body.
    pub batch_bytes: u64,
    /// Jobs of a batch.
    pub batch_jobs: u64,
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

/// What a team may have, and what it has. `conn` is the operator's, or under the team's row-level security; `every_key` as
/// the configuration says.
pub async fn show(conn: &mut PgConnection, team: TeamId, every_key: RequestLimits) -> Result<Quotas, sqlx::Error> {
    let queues = sqlx::query_file_as!(QueueQuota, "src/tenancy/quotas/queues.sql", team.0).fetch_all(&mut *conn).await?;
    let rates = sqlx::query_file_as!(RateQuota, "src/tenancy/quotas/rates.sql", team.0).fetch_all(&mut *conn).await?;
    let keys = keys::rates(conn, team).await?;
    let RequestLimits { per_second, burst, waiting, body_bytes, batch_bytes, batch_jobs } = every_key;
    let requests = RequestQuota { per_second, burst, keys, waiting, body_bytes, batch_bytes, batch_jobs };
    Ok(Quotas { queues, rates, requests })
}
