//! Campaigns over HTTP: created, looked at, moved through their states, deleted.

mod bodies;
pub mod look;
pub mod moves;
mod seen;

use axum::{
    Json,
    extract::{FromRequestParts, Path, Request, State},
    http::{HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use longshore_workers::{
    db::{self, Tx},
    enqueue::EnqueueError,
    enrollment::{
        campaigns::{self, CampaignError, Created, NewCampaign},
        figures,
    },
    ids::{CampaignId, TeamId},
};
use serde::Deserialize;
use tracing::info;
use utoipa::IntoParams;

pub use self::bodies::CampaignPurpose;
use self::bodies::{CampaignBody, CampaignCreated, CampaignDetail, CampaignPage, CampaignRequest, StepBody};
use super::{
    Api,
    auth::Caller,
    body,
    error::{ApiError, Code, pointer},
    extract::{Asked, page_limit},
    jobs::{REPLAYED, header_key},
    json,
    openapi::Refusals,
};
use crate::tenancy::keys::Scope;

/// Which campaigns are listed.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct CampaignQuery {
    /// Go on behind this one: the `next` of the page before.
    #[param(value_type = Option<i64>, minimum = 1)]
    after: Option<CampaignId>,
    /// How many at most: 1 to 1,000.
    #[serde(default = "fifty")]
    #[param(minimum = 1, maximum = 1000, default = 50)]
    limit: i64,
}

const fn fifty() -> i64 {
    50
}

/// List campaigns.
#[utoipa::path(get, path = "/v1/campaigns", operation_id = "listCampaigns", tag = "campaigns", security(("key" = ["campaigns"])),
    params(CampaignQuery), responses((status = 200, description = "A page, the newest first", body = CampaignPage), Refusals))]
pub async fn list(
    State(api): State<Api>,
    caller: Caller,
    Asked(CampaignQuery { after, limit }): Asked<CampaignQuery>,
) -> Result<Json<CampaignPage>, ApiError> {
    caller.needs(Scope::Campaigns)?;
    let limit = page_limit(limit)?;
    if after.is_some_and(|after| after.0 < 1) {
        return Err(ApiError::parameter("after", "no campaign has a number below 1"));
    }
    let mut tx = db::begin_as(&api.pool, caller.team()).await?;
    let found = campaigns::list(&mut tx, caller.team(), after, limit).await?;
    tx.commit().await?;
    let next = found.last().filter(|_| found.len() as i64 == limit).map(|one| one.id);
    Ok(Json(CampaignPage { campaigns: found.into_iter().map(CampaignBody::from).collect(), next }))
}

/// Create a campaign.
///
/// A draft; its leads are enrolled at once, by a job that commits with it. Nothing is sent before it is activated. The same
/// `Idempotency-Key` gives the same campaign.
#[utoipa::path(post, path = "/v1/campaigns", operation_id = "createCampaign", tag = "campaigns", security(("key" = ["campaigns"])),
    request_body = CampaignRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "The same key, in the same team, gives one campaign; quoted or bare.",
        min_length = 1, max_length = 255, example = "spring-2026")),
    responses(
        (status = 201, description = "It is there", body = CampaignCreated, headers(("Location" = String, description = "Where to look at it"))),
        (status = 200, description = "The key had named this campaign before", body = CampaignCreated,
            headers(("Location" = String, description = "Where to look at it"), ("Idempotency-Replayed" = String, description = "`true`"))),
        (status = 409, description = "The name is in use", body = super::error::Problem, content_type = "application/problem+json"),
        Refusals,
    ))]
pub async fn create(State(api): State<Api>, caller: Caller, request: Request) -> Result<Response, ApiError> {
    caller.needs(Scope::Campaigns)?;
    let key = header_key(request.headers())?;
    let asked: CampaignRequest = body::parse(&body::text(request, body::SINGLE_LIMIT).await?, json::MAX_DEPTH)?;
    let wanted = NewCampaign::from(asked);
    let made = change(&api, &caller, move |mut tx, team| async move {
        let made = match &key {
            Some(key) => campaigns::create_once(&mut tx, team, &wanted, key).await?,
            None => {
                let (campaign, job) = campaigns::create_and_enroll(&mut tx, team, &wanted).await?;
                Created { campaign, job: Some(job) }
            }
        };
        let campaign = campaigns::find(&mut tx, team, made.campaign).await?.ok_or(CampaignError::NotFound(made.campaign))?;
        Ok((tx, (made, campaign)))
    })
    .await?;
    let (Created { campaign, job }, found) = made;
    info!(campaign = campaign.0, replayed = job.is_none(), "campaign created");
    let status = if job.is_some() { StatusCode::CREATED } else { StatusCode::OK };
    let mut response = (status, Json(CampaignCreated { campaign: found.into(), job })).into_response();
    if let Ok(place) = HeaderValue::from_str(&format!("/v1/campaigns/{campaign}")) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    if job.is_none() {
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// Look at a campaign.
///
/// With its steps, and what became of its leads and messages so far.
#[utoipa::path(get, path = "/v1/campaigns/{id}", operation_id = "getCampaign", tag = "campaigns", security(("key" = ["campaigns"])),
    params(("id" = i64, Path, description = "The campaign", example = 3, minimum = 1)),
    responses((status = 200, description = "The campaign", body = CampaignDetail), Refusals))]
pub async fn show(State(api): State<Api>, caller: Caller, Named(id): Named) -> Result<Json<CampaignDetail>, ApiError> {
    caller.needs(Scope::Campaigns)?;
    let team = caller.team();
    let mut tx = db::begin_as(&api.pool, team).await?;
    let found = campaigns::find(&mut tx, team, id).await?.ok_or_else(no_such_campaign)?;
    let steps = campaigns::steps(&mut tx, team, id).await?;
    let figures = figures::load(&mut tx, team, id).await?;
    tx.commit().await?;
    Ok(Json(CampaignDetail {
        campaign: found.into(),
        steps: steps.into_iter().map(StepBody::from).collect(),
        enrollments: figures.enrollments().into(),
        messages: figures.totals().into(),
    }))
}

/// Delete a campaign.
///
/// Refused where a lead was ever enrolled: then it stays on record. Stop it instead.
#[utoipa::path(delete, path = "/v1/campaigns/{id}", operation_id = "deleteCampaign", tag = "campaigns", security(("key" = ["campaigns"])),
    params(("id" = i64, Path, description = "The campaign", example = 3, minimum = 1)),
    responses(
        (status = 204, description = "It is gone"),
        (status = 409, description = "Leads were enrolled", body = super::error::Problem, content_type = "application/problem+json"),
        Refusals,
    ))]
pub async fn delete(State(api): State<Api>, caller: Caller, Named(id): Named) -> Result<StatusCode, ApiError> {
    caller.needs(Scope::Campaigns)?;
    change(&api, &caller, move |mut tx, team| async move {
        campaigns::delete(&mut tx, team, id).await?;
        Ok((tx, ()))
    })
    .await?;
    info!(campaign = id.0, "campaign deleted");
    Ok(StatusCode::NO_CONTENT)
}

/// Makes a change and commits it, in a task of its own: a caller that goes away does not leave it half done.
async fn change<T, F, Work>(api: &Api, caller: &Caller, work: F) -> Result<T, ApiError>
where
    T: Send + 'static,
    F: FnOnce(Tx, TeamId) -> Work + Send + 'static,
    Work: Future<Output = Result<(Tx, T), CampaignError>> + Send,
{
    let (pool, team, by) = (api.pool.clone(), caller.team(), caller.name());
    let changed = tokio::spawn(async move {
        let tx = db::begin_by(&pool, team, &by).await?;
        let (tx, changed) = work(tx, team).await?;
        tx.commit().await?;
        Ok::<_, CampaignError>(changed)
    });
    Ok(changed.await.map_err(ApiError::internal)??)
}

impl From<CampaignError> for ApiError {
    fn from(error: CampaignError) -> Self {
        match error {
            CampaignError::Database(error) | CampaignError::Enqueue(EnqueueError::Database(error)) => error.into(),
            CampaignError::Enqueue(error) => Self::internal(error),
            CampaignError::NotFound(_) => no_such_campaign(),
            CampaignError::Invalid(invalid) => Self::field(Code::InvalidField, pointer(&invalid.field), invalid.reason),
            CampaignError::NameTaken { .. } => Self::new(Code::NameTaken, format!("{error}.")),
            CampaignError::KeyReused => Self::header(Code::KeyReused, "Idempotency-Key", format!("{error}.")),
            CampaignError::NoSender { .. }
            | CampaignError::NotNow { .. }
            | CampaignError::Ended { .. }
            | CampaignError::UnderWay(_)
            | CampaignError::HasLeads(_) => Self::new(Code::WrongState, format!("{error}.")),
        }
    }
}

/// One answer for an absent campaign, another team's, and a text that is no number.
fn no_such_campaign() -> ApiError {
    ApiError::new(Code::NotFound, "The team has no such campaign.")
}

fn campaign_id(text: &str) -> Option<CampaignId> {
    let sound = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|_| sound).map(CampaignId)
}

/// The campaign named in the path.
pub struct Named(CampaignId);

impl FromRequestParts<Api> for Named {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let path = Path::<String>::from_request_parts(parts, api).await.map_err(|_| no_such_campaign())?;
        campaign_id(&path.0).map(Self).ok_or_else(no_such_campaign)
    }
}

/// The campaign and the lead named in the path.
pub struct Both(CampaignId, i64);

impl FromRequestParts<Api> for Both {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let path = Path::<(String, String)>::from_request_parts(parts, api).await.map_err(|_| no_such_campaign())?;
        let campaign = campaign_id(&path.0.0).ok_or_else(no_such_campaign)?;
        // A lead's number is written as a campaign's is.
        let lead = campaign_id(&path.0.1).ok_or_else(look::no_such_lead)?;
        Ok(Self(campaign, lead.0))
    }
}
