//! A team's jobs, page by page.

use axum::{extract::State, http::HeaderMap, response::Response};
use chrono::{DateTime, Utc};
use longshore_workers::{db, ids::JobId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    api::{
        Api,
        auth::Caller,
        error::ApiError,
        extract::{Asked, filled, page_limit},
        openapi::Refusals,
        polled::polled,
    },
    store::{
        job_list::{self, Filter, Row},
        job_view::JobState,
    },
    tenancy::keys::Scope,
};

/// Which jobs are listed.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// Only in this state.
    #[param(inline)]
    state: Option<JobState>,
    /// Only of this kind.
    #[serde(default, deserialize_with = "filled")]
    #[param(value_type = Option<String>, max_length = 63, example = "enrich_person")]
    kind: Option<String>,
    /// Only of this queue.
    #[serde(default, deserialize_with = "filled")]
    #[param(value_type = Option<String>, max_length = 63, example = "enrichment")]
    queue: Option<String>,
    /// Go on behind this one: the `next` of the page before.
    #[param(value_type = Option<String>, example = "job_42", pattern = r"^(job_)?[0-9]{1,19}$", max_length = 23)]
    after: Option<JobId>,
    /// How many at most: 1 to 1,000.
    #[serde(default = "fifty")]
    #[param(minimum = 1, maximum = 1000, default = 50)]
    limit: i64,
}

const fn fifty() -> i64 {
    50
}

/// A page of jobs, the newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct JobPage {
    jobs: Vec<JobRow>,
    /// The next page's `after`; left out at the end. A page may be short, or empty, and have a `next`: one request looks at a
    /// bounded number of jobs.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "job_42")]
    next: Option<JobId>,
}

/// A job in a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct JobRow {
    #[schema(value_type = String, example = "job_42")]
    id: JobId,
    kind: String,
    queue: String,
    state: JobState,
    /// Why it waits: `ready`, `delayed`, `retry`, `snoozed`, `unknown`, `parked`, `blocked` or `suspect`.
    reason: Option<String>,
    /// The attempt it is in, or the last it made.
    attempt: i16,
    created_at: DateTime<Utc>,
    /// When it runs next, where that is decided.
    run_at: Option<DateTime<Utc>>,
    finished_at: Option<DateTime<Utc>>,
}

/// List jobs.
///
/// The newest first. Nothing is counted: there is no total.
#[utoipa::path(get, path = "/v1/jobs", operation_id = "listJobs", tag = "jobs", params(ListQuery), security(("key" = ["read"])),
    responses((status = 200, description = "A page", body = JobPage), Refusals))]
pub async fn list(
    State(api): State<Api>,
    caller: Caller,
    Asked(wanted): Asked<ListQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    caller.needs(Scope::Read)?;
    let ListQuery { state, kind, queue, after, limit } = wanted;
    let limit = i32::try_from(page_limit(limit)?).unwrap_or(1);
    let mut tx = db::begin_as(&api.pool, caller.team()).await?;
    let queue = match &queue {
        None => None,
        Some(name) => {
            Some(job_list::queue_id(&mut tx, name).await?.ok_or_else(|| ApiError::parameter("queue", "there is no such queue"))?)
        }
    };
    let filter = Filter { state, team: None, kind: kind.as_deref(), queue, after };
    let (rows, next) = job_list::page_of_team(&mut tx, caller.team(), &filter, limit).await?;
    tx.commit().await?;
    polled(&headers, &JobPage { jobs: rows.into_iter().map(JobRow::from).collect(), next })
}

impl From<Row> for JobRow {
    fn from(row: Row) -> Self {
        let Row { id, kind, queue, state, reason, attempt, created_at, run_at, finished_at, .. } = row;
        Self { id, kind, queue, state, reason, attempt, created_at, run_at, finished_at }
    }
}
