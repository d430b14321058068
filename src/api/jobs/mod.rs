//! Jobs over HTTP: put one in, look at it, cancel it.

pub mod batch;
pub mod list;
pub mod look;

use axum::{
    Json,
    extract::{FromRequestParts, Path, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Datelike as _, Utc};
use longshore_workers::{
    db,
    ids::{JobId, TeamId},
    job::Limit,
    registry::Registry,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tracing::info;
use utoipa::ToSchema;

use super::{
    Api,
    auth::Caller,
    body,
    conventions::{RequestId, is_personal},
    error::{ApiError, Code, pointer},
    json,
    openapi::Refusals,
};
use crate::{
    store::{
        doors::{self, NewJob, Taken},
        job_view::{self, JobState, JobView},
    },
    tenancy::keys::Scope,
};

pub use look::{LONGEST_WAIT, waits};

const IDEMPOTENCY_KEY: &str = "Idempotency-Key";
pub(super) const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// A job to accept.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct JobRequest {
    /// What it does: one of the kinds that `longshore kinds` lists. The queue follows from it.
    #[schema(example = "enrich_person", max_length = 63)]
    kind: String,
    /// With what: the fields of the kind, up to 256 KiB and 32 levels deep.
    #[schema(value_type = Object)]
    payload: Value,
    /// The same key, for the same team and kind, gives one job for 30 days. The header `Idempotency-Key` says the same.
    #[schema(min_length = 1, max_length = 255)]
    idempotency_key: Option<String>,
    /// Not before this moment; at most a year ahead.
    run_at: Option<DateTime<Utc>>,
    /// 0 runs first, 9 last; the kind's own when left out.
    #[schema(minimum = 0, maximum = 9)]
    priority: Option<i16>,
    /// Ties the job to what caused it, in every log line; the request's id when left out.
    #[schema(min_length = 1, max_length = 128)]
    correlation_id: Option<String>,
    /// How long the key stands: 30 days when left out. Not in a batch.
    key_scope: Option<KeyScope>,
    /// What the same key means while it stands; `first` when left out. Not in a batch.
    on_conflict: Option<OnConflict>,
    /// At most `limit_to` jobs of the team with this key run at once, whatever their kinds.
    #[schema(min_length = 1, max_length = 200)]
    limit_key: Option<String>,
    /// How many with `limit_key` run at once; 1 when left out.
    #[schema(minimum = 1)]
    limit_to: Option<i32>,
    /// Jobs to follow, one after the other, each when the one before is done. Not in a batch.
    #[schema(min_items = 1, max_items = 100)]
    chain: Option<Vec<Link>>,
}

/// How long an idempotency key stands.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum KeyScope {
    /// For 30 days.
    Period,
    /// Until its job ends.
    Unfinished,
    /// For ever.
    Forever,
}

/// What the same idempotency key means while it stands.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum OnConflict {
    /// The first job is the answer; another payload is refused.
    First,
    /// A job that still waits gets this payload and keeps its time.
    Replace,
    /// A job that still waits gets this payload and this time.
    Debounce,
}

/// A job that follows another.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Link {
    /// What it does.
    #[schema(example = "enrich_person", max_length = 63)]
    kind: String,
    /// With what.
    #[schema(value_type = Object)]
    payload: Value,
}

/// A job that was accepted, or that its key had named before.
#[derive(Debug, Serialize, ToSchema)]
pub struct JobAccepted {
    /// Its id.
    #[schema(value_type = String, example = "job_42")]
    pub id: JobId,
    /// Where it is; left out for a job so old that its records are gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<JobState>,
    /// The idempotency key had named this job before; nothing new was accepted.
    pub deduplicated: bool,
}

/// What became of a wish to cancel.
#[derive(Debug, Serialize, ToSchema)]
pub struct JobCancelled {
    #[schema(value_type = String, example = "job_42")]
    id: JobId,
    /// `cancelled`: it will not run. `running`: its handler is told within seconds; look again.
    state: JobState,
}

/// Enqueue one job.
///
/// 202 says that it is written down and survives any crash of ours. A duplicate by key answers 200 with the first job.
#[utoipa::path(post, path = "/v1/jobs", operation_id = "enqueueJob", tag = "jobs", security(("key" = ["enqueue"])), request_body = JobRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "As the field `idempotency_key`; quoted or bare.",
        min_length = 1, max_length = 255, example = "order-4711")),
    responses(
        (status = 202, description = "Accepted", body = JobAccepted, headers(("Location" = String, description = "Where to look at it"))),
        (status = 200, description = "The key had named this job before", body = JobAccepted,
            headers(("Location" = String, description = "Where to look at it"), ("Idempotency-Replayed" = String, description = "`true`"))),
        Refusals,
    ))]
pub async fn enqueue(State(api): State<Api>, caller: Caller, id: RequestId, request: Request) -> Result<Response, ApiError> {
    caller.needs(Scope::Enqueue)?;
    let header_key = header_key(request.headers())?;
    let text = body::text(request, body::SINGLE_LIMIT).await?;
    let mut wanted: JobRequest = body::parse(&text, json::MAX_DEPTH + 1)?;
    if let Some(from_header) = header_key {
        if wanted.idempotency_key.as_ref().is_some_and(|field| *field != from_header) {
            let detail = "the header Idempotency-Key and the field idempotency_key differ; send one of them";
            return Err(ApiError::field(Code::InvalidKey, "/idempotency_key", detail));
        }
        wanted.idempotency_key = Some(from_header);
    }
    let job = check(&api.registry, wanted, &id)?;
    let taken = api.coalescer.enqueue(caller.team(), job).await?;
    let (job, deduplicated) = match taken {
        Taken::Accepted { job, deduplicated } => (job, deduplicated),
        Taken::Refused(problem) => return Err(ApiError::from_row(&problem)),
    };
    let state = if deduplicated { find(&api, caller.team(), job).await?.map(|job| job.state) } else { Some(JobState::Waiting) };
    info!(job.id = %job, deduplicated, "accepted");
    let status = if deduplicated { StatusCode::OK } else { StatusCode::ACCEPTED };
    let mut response = (status, Json(JobAccepted { id: job, state, deduplicated })).into_response();
    if let Ok(place) = HeaderValue::from_str(&format!("/v1/jobs/{job}")) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    if deduplicated {
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// Cancel a job.
///
/// A waiting job will not run. A running one is told within seconds, and ends as cancelled unless it is done first.
#[utoipa::path(post, path = "/v1/jobs/{id}/cancel", operation_id = "cancelJob", tag = "jobs", security(("key" = ["cancel"])),
    params(("id" = String, Path, description = "The job", example = "job_42", pattern = r"^(job_)?[0-9]{1,19}$", max_length = 23)),
    responses(
        (status = 200, description = "It will not run", body = JobCancelled),
        (status = 202, description = "It runs, and is being told", body = JobCancelled),
        Refusals,
    ))]
pub async fn cancel(State(api): State<Api>, caller: Caller, JobPath(job): JobPath) -> Result<Response, ApiError> {
    caller.needs(Scope::Cancel)?;
    // Connections of its own, so that no flood of other requests is in its way.
    let (pool, team, by) = (api.reserve.clone(), caller.team(), caller.name());
    // In a task of its own: a caller that goes away does not leave it half done.
    let asked = tokio::spawn(async move {
        let mut work = db::work(&pool).await?;
        let answer = doors::cancel(&mut work, team, job, &by).await?;
        work.done().await?;
        Ok::<_, sqlx::Error>(answer)
    });
    let answer = asked.await.map_err(ApiError::internal)??.ok_or_else(no_such_job)?;
    let (status, state) = match answer.as_str() {
        "cancelled" => (StatusCode::OK, JobState::Cancelled),
        "cancelling" => (StatusCode::ACCEPTED, JobState::Running),
        ended => return Err(ApiError::new(Code::AlreadyEnded, format!("It is {ended} and can't be cancelled any more."))),
    };
    info!(job.id = %job, "cancelled");
    Ok((status, Json(JobCancelled { id: job, state })).into_response())
}

/// Turns a request into a job, refusing what could never run.
fn check(registry: &Registry, wanted: JobRequest, id: &RequestId) -> Result<NewJob, ApiError> {
    if let Some(correlation) = &wanted.correlation_id
        && (correlation.is_empty() || correlation.chars().count() > 128 || correlation.chars().any(char::is_control))
    {
        let detail = "a correlation id has 1 to 128 characters and no control characters";
        return Err(ApiError::field(Code::InvalidField, "/correlation_id", detail));
    }
    if wanted.correlation_id.as_deref().is_some_and(is_personal) {
        let detail = "a correlation id stands in every log line: it must not be a phone number, an e-mail or a key";
        return Err(ApiError::field(Code::InvalidField, "/correlation_id", detail));
    }
    // The database says what lies within a year; this only keeps out what it can't even read.
    if let Some(run_at) = wanted.run_at
        && !(1970..10_000).contains(&run_at.year())
    {
        return Err(ApiError::field(Code::InvalidRunAt, "/run_at", "run_at must lie within a year from now"));
    }
    let (kind, declared) = check_payload(registry, wanted.kind, &wanted.payload)?;
    let limit = match (wanted.limit_key, wanted.limit_to) {
        (Some(key), to) => Some(Limit::new(key, to.unwrap_or(1))),
        (None, Some(_)) => return Err(ApiError::field(Code::InvalidField, "/limit_to", "limit_to goes with a limit_key")),
        (None, None) => declared,
    };
    Ok(NewJob {
        kind,
        payload: wanted.payload,
        limit,
        key_scope: wanted.key_scope.map(|scope| match scope {
            KeyScope::Period => "period",
            KeyScope::Unfinished => "unfinished",
            KeyScope::Forever => "forever",
        }),
        on_conflict: wanted.on_conflict.map(|policy| match policy {
            OnConflict::First => "first",
            OnConflict::Replace => "replace",
            OnConflict::Debounce => "debounce",
        }),
        chain: wanted.chain.map(|links| chain(registry, links)).transpose()?,
        key: wanted.idempotency_key,
        run_at: wanted.run_at,
        priority: wanted.priority,
        correlation: Some(wanted.correlation_id.unwrap_or_else(|| id.0.to_string())),
    })
}

/// The stored name of a kind, and the limit that a job of it declares. A kind that only newer builds know is left to the
/// database.
pub(super) fn check_payload(registry: &Registry, kind: String, payload: &Value) -> Result<(String, Option<Limit>), ApiError> {
    let Some(known) = registry.get(&kind) else { return Ok((kind, None)) };
    let limit = known.check(payload.clone()).map_err(|invalid| {
        let field = if invalid.field == "payload" { String::new() } else { pointer(&invalid.field) };
        ApiError::field(Code::InvalidPayload, format!("/payload{field}"), invalid.reason)
    })?;
    Ok((known.name.to_owned(), limit))
}

fn chain(registry: &Registry, links: Vec<Link>) -> Result<Value, ApiError> {
    let link = |(n, link): (usize, Link)| {
        let (kind, limit) =
            check_payload(registry, link.kind, &link.payload).map_err(|refusal| refusal.below(&format!("/chain/{n}")))?;
        let (limit_key, limit_to) = limit.map(|limit| (limit.key, limit.at_once)).unzip();
        Ok(json!({ "kind": kind, "payload": link.payload, "limit_key": limit_key, "limit_to": limit_to }))
    };
    links.into_iter().enumerate().map(link).collect()
}

/// The key in the header, quoted or bare.
pub(super) fn header_key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(ApiError::header(Code::InvalidKey, IDEMPOTENCY_KEY, "Send one idempotency key, not several."));
    }
    let text = value.to_str().ok().filter(|text| !text.contains('\t'));
    let text = text.ok_or_else(|| {
        ApiError::header(
            Code::InvalidKey,
            IDEMPOTENCY_KEY,
            "A key in the header is ASCII; send others in the field idempotency_key.",
        )
    })?;
    let key = match text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(quoted) => quoted.replace("\\\"", "\"").replace("\\\\", "\\"),
        None => text.to_owned(),
    };
    if key.is_empty() || key.len() > 255 {
        return Err(ApiError::header(Code::InvalidKey, IDEMPOTENCY_KEY, "An idempotency key has 1 to 255 bytes."));
    }
    Ok(Some(key))
}

async fn find(api: &Api, team: TeamId, job: JobId) -> Result<Option<JobView>, ApiError> {
    let mut tx = db::begin_as(&api.pool, team).await?;
    let view = job_view::find(&mut tx, job).await?;
    tx.commit().await?;
    Ok(view)
}

/// One answer for an absent job, another team's, and a text that is no job id.
pub(super) fn no_such_job() -> ApiError {
    ApiError::new(Code::NotFound, "The team has no such job.")
}

/// The job named in the path.
pub struct JobPath(pub JobId);

impl FromRequestParts<Api> for JobPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let path = Path::<String>::from_request_parts(parts, api).await.map_err(|_| no_such_job())?;
        path.0.parse().map(Self).map_err(|_| no_such_job())
    }
}

/// Makes a registry's check of one request available to the batch.
fn check_text(registry: &Registry, text: &str, id: &RequestId) -> Result<NewJob, ApiError> {
    check(registry, body::parse(text, json::MAX_DEPTH + 1)?, id)
}
