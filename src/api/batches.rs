//! Batches over HTTP: how many jobs belong together, and what became of them.

use axum::{
    extract::{FromRequestParts, Path, State},
    http::{HeaderMap, request::Parts},
    response::Response,
};
use chrono::{DateTime, Utc};
use longshore_workers::{
    db,
    ids::{BatchId, JobId, TeamId},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    Api, ApiState,
    auth::Caller,
    error::{ApiError, Code},
    openapi::Refusals,
    polled::polled,
};
use crate::{
    store::{
        batches::{self, BatchView},
        watch::Mark,
    },
    tenancy::keys::Scope,
};

/// A batch: jobs that belong together, and the job behind the last of them. Its counts are added up about once a second.
#[derive(Debug, Serialize, ToSchema)]
pub struct Batch {
    #[schema(value_type = String, example = "batch_7")]
    id: BatchId,
    /// `open`: more may join; `sealed`: no more may; `ended`: all of them have ended.
    state: BatchState,
    /// Jobs that have joined it.
    jobs: i64,
    /// Of which so many are done.
    done: i64,
    /// So many ended dead.
    dead: i64,
    /// So many were cancelled.
    cancelled: i64,
    created_at: DateTime<Utc>,
    sealed_at: Option<DateTime<Utc>>,
    ended_at: Option<DateTime<Utc>>,
    /// What is enqueued when it has ended.
    then_kind: Option<String>,
    /// The job that was.
    #[schema(value_type = Option<String>, example = "job_42")]
    then_job: Option<JobId>,
}

/// Where a batch is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum BatchState {
    Open,
    Sealed,
    Ended,
}

/// Look at a batch.
///
/// Batches are opened and sealed by producers, in SQL or in Rust.
#[utoipa::path(get, path = "/v1/batches/{id}", operation_id = "getBatch", tag = "batches", security(("key" = ["read"])),
    params(("id" = String, Path, description = "The batch", example = "batch_7", pattern = r"^(batch_)?[0-9]{1,19}$", max_length = 25)),
    responses((status = 200, description = "The batch", body = Batch), Refusals))]
pub async fn show(
    State(api): State<Api>,
    caller: Caller,
    BatchPath(batch): BatchPath,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    caller.needs(Scope::Read)?;
    polled(&headers, &look(&api, caller.team(), batch).await?.0)
}

/// A batch of a team, and its mark.
pub(super) async fn look(api: &ApiState, team: TeamId, batch: BatchId) -> Result<(Batch, Mark), ApiError> {
    let mut tx = db::begin_as(&api.pool, team).await?;
    let view = batches::find(&mut tx, team, batch).await?.ok_or_else(no_such_batch)?;
    tx.commit().await?;
    let mark = view.mark();
    Ok((view.into(), mark))
}

impl Batch {
    pub(super) fn has_ended(&self) -> bool {
        self.state == BatchState::Ended
    }
}

impl From<BatchView> for Batch {
    fn from(view: BatchView) -> Self {
        let state = match (view.sealed_at, view.ended_at) {
            (_, Some(_)) => BatchState::Ended,
            (Some(_), None) => BatchState::Sealed,
            (None, None) => BatchState::Open,
        };
        let BatchView { id, jobs, done, dead, cancelled, created_at, sealed_at, ended_at, then_kind, then_job } = view;
        Self { id, state, jobs, done, dead, cancelled, created_at, sealed_at, ended_at, then_kind, then_job }
    }
}

/// One answer for an absent batch, another team's, and a text that is no batch id.
fn no_such_batch() -> ApiError {
    ApiError::new(Code::NotFound, "The team has no such batch.")
}

/// The batch named in the path.
pub struct BatchPath(pub BatchId);

impl FromRequestParts<Api> for BatchPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let path = Path::<String>::from_request_parts(parts, api).await.map_err(|_| no_such_batch())?;
        path.0.parse().map(Self).map_err(|_| no_such_batch())
    }
}
