//! What a team has in each queue.

use axum::{extract::State, http::HeaderMap, response::Response};
use chrono::{DateTime, Utc};
use longshore_workers::db;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    Api,
    auth::Caller,
    error::ApiError,
    extract::{Asked, filled, page_limit},
    openapi::Refusals,
    polled::polled,
};
use crate::{
    store::queues::{self, Share},
    tenancy::keys::Scope,
};

/// Which queues are listed.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// Go on behind this one: the `next` of the page before.
    #[serde(default, deserialize_with = "filled")]
    #[param(value_type = Option<String>, max_length = 63)]
    after: Option<String>,
    /// How many at most: 1 to 1,000.
    #[serde(default = "hundred")]
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: i64,
}

const fn hundred() -> i64 {
    100
}

/// A page of queues, by name.
#[derive(Debug, Serialize, ToSchema)]
pub struct QueuePage {
    queues: Vec<QueueRow>,
    /// When the jobs were counted; they are counted every few seconds.
    measured_at: Option<DateTime<Utc>>,
    /// The next page's `after`; left out where no more follow.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// What the team has in a queue. What others have there is not said.
#[derive(Debug, Serialize, ToSchema)]
pub struct QueueRow {
    #[schema(example = "enrichment")]
    name: String,
    /// Jobs that may run now.
    ready: i64,
    /// Jobs whose key's limit is reached.
    blocked: i64,
    /// Jobs whose time has not come.
    scheduled: i64,
    /// Jobs that wait for somebody or something.
    parked: i64,
    /// Jobs that run.
    running: i64,
    /// Open dead letters.
    dead: i64,
    /// Since when the oldest ready job waits.
    oldest_ready_at: Option<DateTime<Utc>>,
}

/// List queues.
///
/// How many jobs of the team each holds, as counted last: asking costs next to nothing.
#[utoipa::path(get, path = "/v1/queues", operation_id = "listQueues", tag = "queues", params(ListQuery), security(("key" = ["read"])),
    responses((status = 200, description = "A page, by name", body = QueuePage), Refusals))]
pub async fn list(
    State(api): State<Api>,
    caller: Caller,
    Asked(ListQuery { after, limit }): Asked<ListQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    caller.needs(Scope::Read)?;
    let limit = page_limit(limit)?;
    let mut tx = db::begin_as(&api.pool, caller.team()).await?;
    let (shares, measured_at) = queues::of_team(&mut tx, caller.team(), after.as_deref(), limit).await?;
    tx.commit().await?;
    let next = shares.last().filter(|_| shares.len() as i64 == limit).map(|last| last.name.clone());
    polled(&headers, &QueuePage { queues: shares.into_iter().map(QueueRow::from).collect(), measured_at, next })
}

impl From<Share> for QueueRow {
    fn from(share: Share) -> Self {
        let Share { name, ready, blocked, scheduled, parked, running, dead, oldest_ready_at } = share;
        Self { name, ready, blocked, scheduled, parked, running, dead, oldest_ready_at }
    }
}
