//! A team's dead letters over HTTP: listed, looked at, replayed or given up one by one; many at once are a plan.

pub mod plans;

use axum::{
    Json,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use longshore_workers::{db, ids::JobId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tracing::info;
use utoipa::{IntoParams, ToSchema};

use super::{
    Api,
    auth::Caller,
    body,
    error::{ApiError, Code},
    extract::{Asked, page_limit},
    jobs::{JobPath, check_payload},
    json,
    openapi::Refusals,
    polled::polled,
};
use crate::{
    store::{
        dead::{self, Filter, Letter, Row},
        job_view::Attempt,
    },
    tenancy::keys::Scope,
};

/// Which dead letters are listed.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// Only of this kind.
    #[param(max_length = 63)]
    kind: Option<String>,
    /// Only with this text in the last error, in any case.
    #[param(max_length = 500)]
    error: Option<String>,
    /// Only those that died then or later.
    since: Option<DateTime<Utc>>,
    /// Only those that died then or earlier.
    until: Option<DateTime<Utc>>,
    /// Also those that were replayed or discarded.
    #[serde(default)]
    all: bool,
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

/// A page of dead letters, the newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeadPage {
    letters: Vec<DeadRow>,
    /// The next page's `after`; left out where no more follow.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "job_42")]
    next: Option<JobId>,
}

/// A dead letter in a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeadRow {
    #[schema(value_type = String, example = "job_42")]
    id: JobId,
    kind: String,
    died_at: DateTime<Utc>,
    /// Attempts it had.
    attempts: i16,
    /// Its last error.
    error: String,
    /// The job that repeats it.
    #[schema(value_type = Option<String>)]
    replayed_as: Option<JobId>,
    replayed_at: Option<DateTime<Utc>>,
    /// When it was given up.
    discarded_at: Option<DateTime<Utc>>,
}

/// A dead letter, whole.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeadBody {
    #[serde(flatten)]
    row: DeadRow,
    version: i16,
    #[schema(value_type = Object)]
    payload: Value,
    max_attempts: i16,
    created_at: DateTime<Utc>,
    /// Every failed attempt, oldest first.
    #[schema(value_type = Vec<Attempt>)]
    errors: Value,
    correlation_id: Option<String>,
    /// The dead letter that it repeated.
    #[schema(value_type = Option<String>)]
    replay_of: Option<JobId>,
    /// The first job of its lineage.
    #[schema(value_type = Option<String>)]
    root: Option<JobId>,
}

/// How a dead letter runs again.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplayRequest {
    /// With what; its own payload when left out.
    #[schema(value_type = Option<Object>)]
    payload: Option<Value>,
}

/// A dead letter that runs again.
#[derive(Debug, Serialize, ToSchema)]
pub struct Replayed {
    /// The new job.
    #[schema(value_type = String, example = "job_43")]
    id: JobId,
    /// The dead letter.
    #[schema(value_type = String, example = "job_42")]
    replay_of: JobId,
}

/// List dead letters.
///
/// The newest first. Nothing is counted: there is no total.
#[utoipa::path(get, path = "/v1/dead", operation_id = "listDead", tag = "dead", security(("key" = ["dead"])), params(ListQuery),
    responses((status = 200, description = "A page", body = DeadPage), Refusals))]
pub async fn list(
    State(api): State<Api>,
    caller: Caller,
    Asked(wanted): Asked<ListQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    caller.needs(Scope::Dead)?;
    let ListQuery { kind, error, since, until, all, after, limit } = wanted;
    let limit = page_limit(limit)?;
    let filter = Filter { jobs: None, team: Some(caller.team()), kind, error, since, until };
    let mut tx = db::begin_as(&api.pool, caller.team()).await?;
    let rows = dead::list(&mut tx, &filter, all, after, limit).await?;
    tx.commit().await?;
    let next = rows.last().filter(|_| rows.len() as i64 == limit).map(|row| row.job);
    polled(&headers, &DeadPage { letters: rows.into_iter().map(DeadRow::from).collect(), next })
}

/// Look at a dead letter.
#[utoipa::path(get, path = "/v1/dead/{id}", operation_id = "getDead", tag = "dead", security(("key" = ["dead"])),
    params(("id" = String, Path, description = "The job", example = "job_42", pattern = r"^(job_)?[0-9]{1,19}$", max_length = 23)),
    responses((status = 200, description = "The dead letter, whole", body = DeadBody), Refusals))]
pub async fn show(
    State(api): State<Api>,
    caller: Caller,
    JobPath(job): JobPath,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    caller.needs(Scope::Dead)?;
    let mut tx = db::begin_as(&api.pool, caller.team()).await?;
    let letter = dead::find(&mut tx, job).await?.ok_or_else(no_such_letter)?;
    tx.commit().await?;
    polled(&headers, &DeadBody::from(letter))
}

/// Replay a dead letter.
///
/// Once: a new job with the whole envelope, under the same rules (send key, consent and credit are looked at again).
#[utoipa::path(post, path = "/v1/dead/{id}/replay", operation_id = "replayDead", tag = "dead", security(("key" = ["dead"])),
    params(("id" = String, Path, description = "The job", example = "job_42", pattern = r"^(job_)?[0-9]{1,19}$", max_length = 23)), request_body = Option<ReplayRequest>,
    responses(
        (status = 202, description = "It runs again", body = Replayed, headers(("Location" = String, description = "Where to look at it"))),
        Refusals,
    ))]
pub async fn replay(
    State(api): State<Api>,
    caller: Caller,
    JobPath(job): JobPath,
    request: Request,
) -> Result<Response, ApiError> {
    caller.needs(Scope::Dead)?;
    let wanted: ReplayRequest = if request.headers().contains_key(header::CONTENT_TYPE) {
        body::parse(&body::text(request, body::SINGLE_LIMIT).await?, json::MAX_DEPTH + 1)?
    } else {
        ReplayRequest::default()
    };
    let (team, by) = (caller.team(), caller.name());
    // In a task of its own: a caller that goes away does not leave it half done.
    let replayed = tokio::spawn(async move {
        let mut tx = db::begin_by(&api.pool, team, &by).await?;
        if let Some(payload) = &wanted.payload {
            let letter = dead::find(&mut tx, job).await?.ok_or_else(no_such_letter)?;
            check_payload(&api.registry, letter.kind.clone(), payload)?;
        }
        let newer = dead::replay(&mut tx, team, job, &by, wanted.payload.as_ref(), None).await.map_err(|error| {
            let refusal = ApiError::from(error);
            if refusal.code == Code::NotFound { no_such_letter() } else { refusal }
        })?;
        tx.commit().await?;
        Ok::<_, ApiError>(newer)
    });
    let id = replayed.await.map_err(ApiError::internal)??;
    info!(job.id = %id, replay_of = %job, "replayed");
    let mut response = (StatusCode::ACCEPTED, Json(Replayed { id, replay_of: job })).into_response();
    if let Ok(place) = HeaderValue::from_str(&format!("/v1/jobs/{id}")) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    Ok(response)
}

/// Give a dead letter up.
///
/// It stays on record, and is not replayed any more.
#[utoipa::path(post, path = "/v1/dead/{id}/discard", operation_id = "discardDead", tag = "dead", security(("key" = ["dead"])),
    params(("id" = String, Path, description = "The job", example = "job_42", pattern = r"^(job_)?[0-9]{1,19}$", max_length = 23)),
    responses((status = 200, description = "It is given up", body = DeadBody), Refusals))]
pub async fn discard(State(api): State<Api>, caller: Caller, JobPath(job): JobPath) -> Result<Json<DeadBody>, ApiError> {
    caller.needs(Scope::Dead)?;
    let (team, by) = (caller.team(), caller.name());
    let discarded = tokio::spawn(async move {
        let mut tx = db::begin_by(&api.pool, team, &by).await?;
        let open = dead::discard(&mut tx, team, job, &by, None).await?;
        let letter = dead::find(&mut tx, job).await?.ok_or_else(no_such_letter)?;
        tx.commit().await?;
        if open { Ok(letter) } else { Err(ApiError::new(Code::AlreadySettled, "It was replayed or discarded before.")) }
    });
    let letter = discarded.await.map_err(ApiError::internal)??;
    info!(job.id = %job, "discarded");
    Ok(Json(letter.into()))
}

/// One answer for a job that is not dead, an absent one and another team's.
fn no_such_letter() -> ApiError {
    ApiError::new(Code::NotFound, "The team has no such dead letter.")
}

impl From<Row> for DeadRow {
    fn from(row: Row) -> Self {
        let Row { job, kind, died_at, attempts, error, replayed_as, replayed_at, discarded_at, .. } = row;
        Self { id: job, kind, died_at, attempts, error, replayed_as, replayed_at, discarded_at }
    }
}

impl From<Letter> for DeadBody {
    fn from(letter: Letter) -> Self {
        let mut errors = letter.errors;
        // Which process ran it is the house's own business.
        for attempt in errors.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
            attempt.remove("process");
        }
        Self {
            row: DeadRow {
                id: letter.job,
                kind: letter.kind,
                died_at: letter.died_at,
                attempts: letter.attempts,
                error: letter.error,
                replayed_as: letter.replayed_as,
                replayed_at: letter.replayed_at,
                discarded_at: letter.discarded_at,
            },
            version: letter.version,
            payload: letter.payload,
            max_attempts: letter.max_attempts,
            created_at: letter.created_at,
            errors,
            correlation_id: letter.correlation_id,
            replay_of: letter.replay_of,
            root: letter.root,
        }
    }
}
