//! What became of each event for each endpoint: looked at, tried out, sent once more.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;

use crate::ids::{DeliveryId, EndpointId, JobId, TeamId};

/// One event for one endpoint.
#[derive(Debug, Clone, Serialize)]
pub struct Delivery {
    /// Its id.
    pub id: DeliveryId,
    /// Where to.
    pub endpoint: EndpointId,
    /// The `webhook-id` that the receiver sees, the same at every try and every endpoint.
    pub event_id: String,
    /// What happened.
    pub event: String,
    /// `waiting`, `delivered`, `failed`, `skipped` (the endpoint was disabled or deleted) or `cancelled`.
    pub state: String,
    /// How often it was tried.
    pub attempts: i32,
    /// The last answer's HTTP status.
    pub status: Option<i16>,
    /// Why it was not taken, in words.
    pub problem: Option<String>,
    /// When it was last tried.
    pub tried_at: Option<DateTime<Utc>>,
    /// When it happened.
    pub created_at: DateTime<Utc>,
    /// When it was delivered or given up.
    pub ended_at: Option<DateTime<Utc>>,
    /// The job that delivers it.
    pub job: JobId,
}

/// Why a delivery is not sent once more.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The endpoint has no such delivery.
    #[error("the endpoint has no such delivery")]
    Missing,
    /// It has not ended.
    #[error("it has not ended yet: it is tried again by itself")]
    Waiting,
    /// Its endpoint takes nothing.
    #[error("its endpoint is disabled: enable it first")]
    Disabled,
    /// The database refused or did not answer.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// Deliveries to an endpoint, the newest first, behind `after`; those in `state` where one is given.
pub async fn page(
    conn: &mut PgConnection,
    team: TeamId,
    endpoint: EndpointId,
    state: Option<&str>,
    after: Option<DeliveryId>,
    limit: i64,
) -> Result<Vec<Delivery>, sqlx::Error> {
    let after = after.map(|after| after.0);
    sqlx::query_file_as!(Delivery, "webhooks/deliveries/page.sql", team.0, endpoint.0, state, after, limit).fetch_all(conn).await
}

/// One delivery to an endpoint.
pub async fn find(
    conn: &mut PgConnection,
    team: TeamId,
    endpoint: EndpointId,
    id: DeliveryId,
) -> Result<Option<Delivery>, sqlx::Error> {
    sqlx::query_file_as!(Delivery, "webhooks/deliveries/find.sql", team.0, endpoint.0, id.0).fetch_optional(conn).await
}

/// Sends an event that says nothing; `None` when the team has no such endpoint, or it is disabled.
pub async fn test(conn: &mut PgConnection, team: TeamId, endpoint: EndpointId) -> Result<Option<DeliveryId>, sqlx::Error> {
    let sent = sqlx::query_file_scalar!("webhooks/deliveries/test.sql", team.0, endpoint.0).fetch_one(conn).await?;
    Ok(sent.map(DeliveryId))
}

/// Sends what has ended once more, under the same `webhook-id`; the entry in the audit log is its last statement.
pub async fn replay(conn: &mut PgConnection, team: TeamId, endpoint: EndpointId, id: DeliveryId) -> Result<JobId, ReplayError> {
    let done = sqlx::query_file!("webhooks/deliveries/replay.sql", team.0, endpoint.0, id.0).fetch_one(&mut *conn).await?;
    let job = match (done.refused.as_deref(), done.job) {
        (None, Some(job)) => JobId(job),
        (Some("waiting"), _) => return Err(ReplayError::Waiting),
        (Some("disabled"), _) => return Err(ReplayError::Disabled),
        _ => return Err(ReplayError::Missing),
    };
    let after = serde_json::json!({ "endpoint": endpoint, "job": job });
    sqlx::query_file!("webhooks/deliveries/audit.sql", team.0, id.to_string(), after).fetch_one(conn).await?;
    Ok(job)
}
