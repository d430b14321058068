//! A team's schedules over HTTP: listed, set, held, run now and taken away.

mod bodies;

use axum::{
    Json,
    extract::{FromRequestParts, Path, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use longshore_workers::db;
use serde::Deserialize;
use serde_json::Value;
use tracing::info;
use utoipa::IntoParams;

use self::bodies::{PauseRequest, ScheduleBody, SchedulePage, ScheduleRequest};
use super::{
    Api,
    auth::Caller,
    body,
    error::{ApiError, Code},
    extract::{Asked, page_limit},
    jobs::{JobAccepted, REPLAYED, check_payload, header_key},
    json,
    openapi::Refusals,
    polled::polled,
};
use crate::{
    scheduler::cron::{CronError, next_tick},
    store::{
        job_view::{self, JobState},
        schedules::{self, Wanted},
    },
    tenancy::keys::Scope,
};

/// Schedules that one team may have set over HTTP.
const MOST: i64 = 1_000;

/// Which schedules are listed.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// Go on behind this one: the `next` of the page before.
    #[param(max_length = 100)]
    after: Option<String>,
    /// How many at most: 1 to 1,000.
    #[serde(default = "hundred")]
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: i64,
}

const fn hundred() -> i64 {
    100
}

/// List schedules.
#[utoipa::path(get, path = "/v1/schedules", operation_id = "listSchedules", tag = "schedules", security(("key" = ["schedules"])), params(ListQuery),
    responses((status = 200, description = "A page, by name", body = SchedulePage), Refusals))]
pub async fn list(
    State(api): State<Api>,
    caller: Caller,
    Asked(ListQuery { after, limit }): Asked<ListQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    caller.needs(Scope::Schedules)?;
    let limit = page_limit(limit)?;
    let mut tx = db::begin_as(&api.pool, caller.team()).await?;
    let found = schedules::page(&mut tx, caller.team(), after.as_deref(), limit).await?;
    tx.commit().await?;
    let next = found.last().filter(|_| found.len() as i64 == limit).map(|one| one.name.clone());
    polled(&headers, &SchedulePage { schedules: found.into_iter().map(ScheduleBody::from).collect(), next })
}

/// Look at a schedule.
#[utoipa::path(get, path = "/v1/schedules/{name}", operation_id = "getSchedule", tag = "schedules", security(("key" = ["schedules"])),
    params(("name" = String, Path, description = "Its name", example = "nightly",
        pattern = "^[a-z][a-z0-9_.-]{0,99}$", max_length = 100)),
    responses((status = 200, description = "The schedule", body = ScheduleBody), Refusals))]
pub async fn show(State(api): State<Api>, caller: Caller, Named(name): Named, headers: HeaderMap) -> Result<Response, ApiError> {
    caller.needs(Scope::Schedules)?;
    let mut tx = db::begin_as(&api.pool, caller.team()).await?;
    let found = schedules::find(&mut tx, caller.team(), &name).await?.ok_or_else(no_such_schedule)?;
    tx.commit().await?;
    polled(&headers, &ScheduleBody::from(found))
}

/// Create or replace a schedule.
///
/// Whoever says the same again changes nothing. A pause stays; a change of the pattern counts from now on.
#[utoipa::path(put, path = "/v1/schedules/{name}", operation_id = "putSchedule", tag = "schedules", security(("key" = ["schedules"])), request_body = ScheduleRequest,
    params(("name" = String, Path, description = "Its name: small letters, digits, and _ . - (100 at most)", example = "nightly",
        pattern = "^[a-z][a-z0-9_.-]{0,99}$", max_length = 100)),
    responses(
        (status = 201, description = "It is new", body = ScheduleBody, headers(("Location" = String, description = "Where to look at it"))),
        (status = 200, description = "It was there", body = ScheduleBody),
        Refusals,
    ))]
pub async fn put(State(api): State<Api>, caller: Caller, Wished(name): Wished, request: Request) -> Result<Response, ApiError> {
    caller.needs(Scope::Schedules)?;
    let wanted: ScheduleRequest = body::parse(&body::text(request, body::SINGLE_LIMIT).await?, json::MAX_DEPTH + 1)?;
    if !(1..=10_000).contains(&wanted.catch_up_most) {
        return Err(ApiError::field(Code::InvalidField, "/catch_up_most", "1 to 10000 ticks are made up for"));
    }
    let payload = Value::Object(wanted.payload);
    let (kind, _) = check_payload(&api.registry, wanted.kind, &payload)?;
    let next_due_at = next_tick(&wanted.cron, &wanted.time_zone, api.clock.now()).map_err(wrong_pattern)?;
    let (team, by, place) = (caller.team(), caller.name(), format!("/v1/schedules/{name}"));
    // In a task of its own: a caller that goes away does not leave it half done.
    let put = tokio::spawn(async move {
        let schedule = Wanted {
            name: &name,
            kind: &kind,
            payload: &payload,
            cron: &wanted.cron,
            time_zone: &wanted.time_zone,
            missed: wanted.missed.stored(),
            catch_up_most: wanted.catch_up_most,
            next_due_at,
            declared: false,
        };
        let mut tx = db::begin_by(&api.pool, team, &by).await?;
        let new = schedules::put(&mut tx, team, &schedule).await?;
        if new && schedules::count(&mut tx, team).await? > MOST {
            return Err(ApiError::new(Code::InvalidRequest, format!("A team has at most {MOST} schedules.")));
        }
        let stands = schedules::find(&mut tx, team, &name).await?.ok_or_else(no_such_schedule)?;
        tx.commit().await?;
        Ok::<_, ApiError>((new, stands))
    });
    let (new, stands) = put.await.map_err(ApiError::internal)??;
    info!(schedule = stands.name, new, "schedule set");
    let body = Json(ScheduleBody::from(stands));
    if !new {
        return Ok(body.into_response());
    }
    let mut response = (StatusCode::CREATED, body).into_response();
    if let Ok(place) = HeaderValue::from_str(&place) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    Ok(response)
}

/// Take a schedule away.
///
/// Jobs that it has enqueued stay.
#[utoipa::path(delete, path = "/v1/schedules/{name}", operation_id = "deleteSchedule", tag = "schedules", security(("key" = ["schedules"])),
    params(("name" = String, Path, description = "Its name", example = "nightly",
        pattern = "^[a-z][a-z0-9_.-]{0,99}$", max_length = 100)),
    responses((status = 204, description = "It is gone"), Refusals))]
pub async fn delete(State(api): State<Api>, caller: Caller, Named(name): Named) -> Result<StatusCode, ApiError> {
    caller.needs(Scope::Schedules)?;
    let (team, by) = (caller.team(), caller.name());
    change(async move {
        let mut tx = db::begin_by(&api.pool, team, &by).await?;
        let found = schedules::delete(&mut tx, team, &name).await?;
        tx.commit().await?;
        if !found {
            return Err(no_such_schedule());
        }
        info!(schedule = name, "schedule taken away");
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}

/// Stop a schedule.
#[utoipa::path(post, path = "/v1/schedules/{name}/pause", operation_id = "pauseSchedule", tag = "schedules", security(("key" = ["schedules"])),
    params(("name" = String, Path, description = "Its name", example = "nightly",
        pattern = "^[a-z][a-z0-9_.-]{0,99}$", max_length = 100)), request_body = Option<PauseRequest>,
    responses((status = 200, description = "It does not fire", body = ScheduleBody), Refusals))]
pub async fn pause(
    State(api): State<Api>,
    caller: Caller,
    Named(name): Named,
    request: Request,
) -> Result<Json<ScheduleBody>, ApiError> {
    caller.needs(Scope::Schedules)?;
    let wanted: PauseRequest = if request.headers().contains_key(header::CONTENT_TYPE) {
        body::parse(&body::text(request, body::SINGLE_LIMIT).await?, json::MAX_DEPTH)?
    } else {
        PauseRequest::default()
    };
    if wanted.reason.as_ref().is_some_and(|reason| reason.chars().count() > 1000) {
        return Err(ApiError::field(Code::InvalidField, "/reason", "a reason has at most 1000 characters"));
    }
    let (team, by) = (caller.team(), caller.name());
    change(async move {
        let mut tx = db::begin_by(&api.pool, team, &by).await?;
        schedules::hold(&mut tx, team, &name, wanted.reason.as_deref()).await?;
        let stands = schedules::find(&mut tx, team, &name).await?.ok_or_else(no_such_schedule)?;
        tx.commit().await?;
        info!(schedule = name, "schedule paused");
        Ok(Json(stands.into()))
    })
    .await
}

/// Let a schedule go on.
///
/// With its next tick from now; the ones in between are not made up for.
#[utoipa::path(post, path = "/v1/schedules/{name}/resume", operation_id = "resumeSchedule", tag = "schedules", security(("key" = ["schedules"])),
    params(("name" = String, Path, description = "Its name", example = "nightly",
        pattern = "^[a-z][a-z0-9_.-]{0,99}$", max_length = 100)),
    responses((status = 200, description = "It fires again", body = ScheduleBody), Refusals))]
pub async fn resume(State(api): State<Api>, caller: Caller, Named(name): Named) -> Result<Json<ScheduleBody>, ApiError> {
    caller.needs(Scope::Schedules)?;
    let (team, by) = (caller.team(), caller.name());
    change(async move {
        let mut tx = db::begin_by(&api.pool, team, &by).await?;
        let (cron, zone) = schedules::pattern(&mut tx, team, &name).await?.ok_or_else(no_such_schedule)?;
        let next = next_tick(&cron, &zone, api.clock.now()).map_err(wrong_pattern)?;
        schedules::go_on(&mut tx, team, &name, next).await?;
        let stands = schedules::find(&mut tx, team, &name).await?.ok_or_else(no_such_schedule)?;
        tx.commit().await?;
        info!(schedule = name, "schedule goes on");
        Ok(Json(stands.into()))
    })
    .await
}

/// Run a schedule now.
///
/// Enqueues its job, paused or not; its ticks come as they would have. With the header `Idempotency-Key`, the same key gives
/// the same job for 30 days.
#[utoipa::path(post, path = "/v1/schedules/{name}/run", operation_id = "runSchedule", tag = "schedules", security(("key" = ["schedules"])),
    params(
        ("name" = String, Path, description = "Its name", example = "nightly",
        pattern = "^[a-z][a-z0-9_.-]{0,99}$", max_length = 100),
        ("Idempotency-Key" = Option<String>, Header, description = "Names this wish; at most 140 bytes, quoted or bare.",
            min_length = 1, max_length = 140, example = "after-the-outage"),
    ),
    responses(
        (status = 202, description = "Accepted", body = JobAccepted, headers(("Location" = String, description = "Where to look at it"))),
        (status = 200, description = "The key had named this job before", body = JobAccepted,
            headers(("Location" = String, description = "Where to look at it"), ("Idempotency-Replayed" = String, description = "`true`"))),
        Refusals,
    ))]
pub async fn run(State(api): State<Api>, caller: Caller, Named(name): Named, request: Request) -> Result<Response, ApiError> {
    caller.needs(Scope::Schedules)?;
    let key = header_key(request.headers())?;
    if key.as_ref().is_some_and(|key| key.len() > 140) {
        return Err(ApiError::header(Code::InvalidKey, "Idempotency-Key", "Here a key has at most 140 bytes."));
    }
    let (team, by) = (caller.team(), caller.name());
    let (ran, state) = change(async move {
        let mut tx = db::begin_by(&api.pool, team, &by).await?;
        let ran = schedules::run(&mut tx, team, &name, key.as_deref()).await?.ok_or_else(no_such_schedule)?;
        let state =
            if ran.deduplicated { job_view::find(&mut tx, ran.job).await?.map(|job| job.state) } else { Some(JobState::Waiting) };
        tx.commit().await?;
        info!(schedule = name, job.id = %ran.job, "schedule run now");
        Ok((ran, state))
    })
    .await?;
    let status = if ran.deduplicated { StatusCode::OK } else { StatusCode::ACCEPTED };
    let accepted = JobAccepted { id: ran.job, state, deduplicated: ran.deduplicated };
    let mut response = (status, Json(accepted)).into_response();
    if let Ok(place) = HeaderValue::from_str(&format!("/v1/jobs/{}", ran.job)) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    if ran.deduplicated {
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// Makes a change in a task of its own: a caller that goes away does not leave it half done.
async fn change<T: Send + 'static>(change: impl Future<Output = Result<T, ApiError>> + Send + 'static) -> Result<T, ApiError> {
    tokio::spawn(change).await.map_err(ApiError::internal)?
}

fn wrong_pattern(error: CronError) -> ApiError {
    let place = if matches!(error, CronError::Zone(_)) { "/time_zone" } else { "/cron" };
    ApiError::field(Code::InvalidField, place, error.to_string())
}

/// One answer for an absent schedule, another team's, and a text that is no schedule's name.
fn no_such_schedule() -> ApiError {
    ApiError::new(Code::NotFound, "The team has no such schedule.")
}

/// The schedule named in the path.
pub struct Named(String);

impl FromRequestParts<Api> for Named {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let path = Path::<String>::from_request_parts(parts, api).await.map_err(|_| no_such_schedule())?;
        if schedules::is_name(&path.0) { Ok(Self(path.0)) } else { Err(no_such_schedule()) }
    }
}

/// The name in the path of a schedule that may not be there yet.
pub struct Wished(String);

impl FromRequestParts<Api> for Wished {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let wrong = || {
            let rule =
                "A schedule's name starts with a small letter and goes on with small letters, digits, and _ . - (100 at most).";
            ApiError::new(Code::InvalidField, rule)
        };
        let path = Path::<String>::from_request_parts(parts, api).await.map_err(|_| wrong())?;
        if schedules::is_name(&path.0) { Ok(Self(path.0)) } else { Err(wrong()) }
    }
}
