//! A campaign moved through its states over HTTP.

use axum::{
    Json,
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use longshore_workers::{
    enrollment::{
        campaigns::{self, CampaignError},
        state::Move,
    },
    ids::{CampaignId, JobId},
};
use serde::Serialize;
use tracing::info;

use super::{
    Named,
    bodies::{
        CampaignBody, CampaignCreated, CampaignJob, CampaignMoved, CampaignRecalled, CloneRequest, ScheduleCampaignRequest,
    },
    change, no_such_campaign,
};
use crate::{
    api::{Api, auth::Caller, body, error::ApiError, json, openapi::Refusals},
    tenancy::keys::Scope,
};

/// Schedule a campaign.
///
/// The scheduler activates it at that time. One that is scheduled already gets another time.
#[utoipa::path(post, path = "/v1/campaigns/{id}/schedule", operation_id = "scheduleCampaign", tag = "campaigns", security(("key" = ["campaigns"])),
    params(("id" = i64, Path, description = "The campaign", example = 3, minimum = 1)), request_body = ScheduleCampaignRequest,
    responses(
        (status = 200, description = "It is scheduled", body = CampaignMoved),
        (status = 409, description = "Its state does not allow it", body = crate::api::error::Problem, content_type = "application/problem+json"),
        Refusals,
    ))]
pub async fn schedule(
    State(api): State<Api>,
    caller: Caller,
    Named(id): Named,
    request: Request,
) -> Result<Json<CampaignMoved>, ApiError> {
    caller.needs(Scope::Campaigns)?;
    let asked: ScheduleCampaignRequest = body::parse(&body::text(request, body::SINGLE_LIMIT).await?, json::MAX_DEPTH)?;
    let now = api.clock.now();
    change(&api, &caller, move |mut tx, team| async move {
        campaigns::schedule(&mut tx, team, id, asked.activate_at, now).await?;
        Ok((tx, ()))
    })
    .await?;
    info!(campaign = id.0, "campaign scheduled");
    Ok(Json(CampaignMoved { id, state: "scheduled" }))
}

/// Activate a campaign.
///
/// Its steps fall due from now on.
#[utoipa::path(post, path = "/v1/campaigns/{id}/activate", operation_id = "activateCampaign", tag = "campaigns", security(("key" = ["campaigns"])),
    params(("id" = i64, Path, description = "The campaign", example = 3, minimum = 1)),
    responses(
        (status = 200, description = "It is active", body = CampaignMoved),
        (status = 409, description = "Its state does not allow it", body = crate::api::error::Problem, content_type = "application/problem+json"),
        Refusals,
    ))]
pub async fn activate(State(api): State<Api>, caller: Caller, Named(id): Named) -> Result<Json<CampaignMoved>, ApiError> {
    shift(&api, &caller, id, Move::Activate).await
}

/// Pause a campaign.
///
/// When this is answered, no message of it leaves, those already queued included, until it is resumed.
#[utoipa::path(post, path = "/v1/campaigns/{id}/pause", operation_id = "pauseCampaign", tag = "campaigns", security(("key" = ["campaigns"])),
    params(("id" = i64, Path, description = "The campaign", example = 3, minimum = 1)),
    responses(
        (status = 200, description = "It is paused", body = CampaignMoved),
        (status = 409, description = "Its state does not allow it", body = crate::api::error::Problem, content_type = "application/problem+json"),
        Refusals,
    ))]
pub async fn pause(State(api): State<Api>, caller: Caller, Named(id): Named) -> Result<Json<CampaignMoved>, ApiError> {
    shift(&api, &caller, id, Move::Pause).await
}

/// Resume a campaign.
///
/// What fell due meanwhile is due at once.
#[utoipa::path(post, path = "/v1/campaigns/{id}/resume", operation_id = "resumeCampaign", tag = "campaigns", security(("key" = ["campaigns"])),
    params(("id" = i64, Path, description = "The campaign", example = 3, minimum = 1)),
    responses(
        (status = 200, description = "It goes on", body = CampaignMoved),
        (status = 409, description = "Its state does not allow it", body = crate::api::error::Problem, content_type = "application/problem+json"),
        Refusals,
    ))]
pub async fn resume(State(api): State<Api>, caller: Caller, Named(id): Named) -> Result<Json<CampaignMoved>, ApiError> {
    shift(&api, &caller, id, Move::Resume).await
}

/// Complete a campaign.
///
/// Refused while a lead is in its sequence or a message of it has no end.
#[utoipa::path(post, path = "/v1/campaigns/{id}/complete", operation_id = "completeCampaign", tag = "campaigns", security(("key" = ["campaigns"])),
    params(("id" = i64, Path, description = "The campaign", example = 3, minimum = 1)),
    responses(
        (status = 200, description = "It is completed", body = CampaignMoved),
        (status = 409, description = "Its state does not allow it", body = crate::api::error::Problem, content_type = "application/problem+json"),
        Refusals,
    ))]
pub async fn complete(State(api): State<Api>, caller: Caller, Named(id): Named) -> Result<Json<CampaignMoved>, ApiError> {
    shift(&api, &caller, id, Move::Complete).await
}

/// Stop a campaign.
///
/// For good: when this is answered, no message of it leaves. A job frees its leads for other campaigns.
#[utoipa::path(post, path = "/v1/campaigns/{id}/stop", operation_id = "stopCampaign", tag = "campaigns", security(("key" = ["campaigns"])),
    params(("id" = i64, Path, description = "The campaign", example = 3, minimum = 1)),
    responses(
        (status = 200, description = "It is stopped", body = CampaignMoved),
        (status = 409, description = "Its state does not allow it", body = crate::api::error::Problem, content_type = "application/problem+json"),
        Refusals,
    ))]
pub async fn stop(State(api): State<Api>, caller: Caller, Named(id): Named) -> Result<Json<CampaignMoved>, ApiError> {
    shift(&api, &caller, id, Move::Stop).await
}

/// Recall a campaign.
///
/// Stops it, in whatever state it is: when this is answered, no further message of it is handed to a vendor. Says what had left;
/// what waits is cancelled by a job. To recall it once more says how it stands by then.
#[utoipa::path(post, path = "/v1/campaigns/{id}/recall", operation_id = "recallCampaign", tag = "campaigns", security(("key" = ["campaigns"])),
    params(("id" = i64, Path, description = "The campaign", example = 3, minimum = 1)),
    responses(
        (status = 202, description = "Nothing leaves any more; workers cancel what waits", body = CampaignRecalled,
            headers(("Location" = String, description = "The job"))),
        Refusals,
    ))]
pub async fn recall(State(api): State<Api>, caller: Caller, Named(id): Named) -> Result<Response, ApiError> {
    caller.needs(Scope::Campaigns)?;
    let now = api.clock.now();
    let recalled = change(&api, &caller, move |mut tx, team| async move {
        let done = campaigns::recall(&mut tx, team, id, now).await?;
        Ok((tx, done))
    })
    .await?;
    info!(campaign = id.0, waiting = recalled.waiting, "campaign recalled");
    Ok(accepted(recalled.job, CampaignRecalled::new(id, recalled)))
}

/// Clone a campaign.
///
/// A draft with the same purpose, audience, steps and variants under another name, from another number where you give one. Its leads
/// are enrolled when you ask for it.
#[utoipa::path(post, path = "/v1/campaigns/{id}/clone", operation_id = "cloneCampaign", tag = "campaigns", security(("key" = ["campaigns"])),
    params(("id" = i64, Path, description = "The campaign", example = 3, minimum = 1)), request_body = CloneRequest,
    responses(
        (status = 201, description = "It is there", body = CampaignCreated, headers(("Location" = String, description = "Where to look at it"))),
        (status = 409, description = "The name is in use", body = crate::api::error::Problem, content_type = "application/problem+json"),
        Refusals,
    ))]
pub async fn clone(State(api): State<Api>, caller: Caller, Named(id): Named, request: Request) -> Result<Response, ApiError> {
    caller.needs(Scope::Campaigns)?;
    let asked: CloneRequest = body::parse(&body::text(request, body::SINGLE_LIMIT).await?, json::MAX_DEPTH)?;
    let made = change(&api, &caller, move |mut tx, team| async move {
        let made = campaigns::clone(&mut tx, team, id, &asked.name, asked.sender.as_deref()).await?;
        let made = campaigns::find(&mut tx, team, made).await?.ok_or(CampaignError::NotFound(made))?;
        Ok((tx, made))
    })
    .await?;
    info!(campaign = made.id.0, cloned_from = id.0, "campaign cloned");
    let place = HeaderValue::from_str(&format!("/v1/campaigns/{}", made.id));
    let mut response =
        (StatusCode::CREATED, Json(CampaignCreated { campaign: CampaignBody::from(made), job: None })).into_response();
    if let Ok(place) = place {
        response.headers_mut().insert(header::LOCATION, place);
    }
    Ok(response)
}

/// Enroll a campaign's leads.
///
/// Every lead that matches by then; those that are in it are passed over.
#[utoipa::path(post, path = "/v1/campaigns/{id}/enroll", operation_id = "enrollCampaign", tag = "campaigns", security(("key" = ["campaigns"])),
    params(("id" = i64, Path, description = "The campaign", example = 3, minimum = 1)),
    responses(
        (status = 202, description = "Workers are at it", body = CampaignJob, headers(("Location" = String, description = "The job"))),
        (status = 409, description = "It has ended", body = crate::api::error::Problem, content_type = "application/problem+json"),
        Refusals,
    ))]
pub async fn enroll(State(api): State<Api>, caller: Caller, Named(id): Named) -> Result<Response, ApiError> {
    caller.needs(Scope::Campaigns)?;
    let job = change(&api, &caller, move |mut tx, team| async move {
        let done = campaigns::enroll(&mut tx, team, id).await?;
        Ok((tx, done))
    })
    .await?;
    info!(campaign = id.0, job.id = %job, "enrollment enqueued");
    Ok(accepted(job, CampaignJob { id, job }))
}

/// Enroll leads once more whose sends failed.
///
/// In another round, from the step that failed on. What arrived is not sent again, and what nobody knows the outcome of is not
/// either.
#[utoipa::path(post, path = "/v1/campaigns/{id}/reenroll", operation_id = "reenrollCampaign", tag = "campaigns", security(("key" = ["campaigns"])),
    params(("id" = i64, Path, description = "The campaign", example = 3, minimum = 1)),
    responses(
        (status = 202, description = "Workers are at it", body = CampaignJob, headers(("Location" = String, description = "The job"))),
        (status = 409, description = "It has ended", body = crate::api::error::Problem, content_type = "application/problem+json"),
        Refusals,
    ))]
pub async fn reenroll(State(api): State<Api>, caller: Caller, Named(id): Named) -> Result<Response, ApiError> {
    caller.needs(Scope::Campaigns)?;
    let job = change(&api, &caller, move |mut tx, team| async move {
        let done = campaigns::reenroll(&mut tx, team, id).await?;
        Ok((tx, done))
    })
    .await?;
    info!(campaign = id.0, job.id = %job, "failed sends enrolled once more");
    Ok(accepted(job, CampaignJob { id, job }))
}

async fn shift(api: &Api, caller: &Caller, id: CampaignId, by: Move) -> Result<Json<CampaignMoved>, ApiError> {
    caller.needs(Scope::Campaigns)?;
    let now = api.clock.now();
    let found = change(api, caller, move |mut tx, team| async move {
        match by {
            Move::Pause => campaigns::pause(&mut tx, team, id, now).await?,
            Move::Resume => campaigns::resume(&mut tx, team, id, now).await?,
            Move::Complete => campaigns::complete(&mut tx, team, id, now).await?,
            Move::Stop => campaigns::stop(&mut tx, team, id, now).await?,
            Move::Activate | Move::Schedule => campaigns::activate(&mut tx, team, id, now).await?,
        }
        let found = campaigns::find(&mut tx, team, id).await?;
        Ok((tx, found))
    })
    .await?;
    let state = found.ok_or_else(no_such_campaign)?.state.as_str();
    info!(campaign = id.0, state, "campaign moved");
    Ok(Json(CampaignMoved { id, state }))
}

fn accepted(job: JobId, said: impl Serialize) -> Response {
    let mut response = (StatusCode::ACCEPTED, Json(said)).into_response();
    if let Ok(place) = HeaderValue::from_str(&format!("/v1/jobs/{job}")) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    response
}
